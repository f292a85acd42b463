#include "engine.h"

#ifdef TSR_HAVE_DNNL
static int bind(dnnl_exec_arg_t *arguments, const binding *bindings, int count) {
  int status = 0;
  for (int i = 0; i < count && !status; i++) {
    arguments[i].arg = bindings[i].argument;
    status = dnnl_memory_create(&arguments[i].memory, bindings[i].description, tsr_dnnl_engine(),
                                (void *)bindings[i].data);
  }
  return status;
}

int tsr_dnnl_execute(dnnl_primitive_t primitive, dnnl_primitive_desc_t description,
                     const binding *bindings, int count) {
  enum { MOST = 5 };
  tsr_dnnl_single_thread();
  binding all[MOST];
  dnnl_exec_arg_t arguments[MOST] = {0};
  for (int i = 0; i < count; i++) all[i] = bindings[i];
  float *scratch = NULL;
  layout wanted = description ? QUERY_LAYOUT(description, dnnl_query_scratchpad_md) : NULL;
  size_t bytes = wanted ? dnnl_memory_desc_get_size(wanted) : 0;
  if (bytes > 0) {
    if (posix_memalign((void **)&scratch, 64, bytes)) return -1;
    all[count++] = (binding){DNNL_ARG_SCRATCHPAD, wanted, scratch};
  }
  dnnl_stream_t stream = NULL;
  int status = bind(arguments, all, count);
  if (!status) status = dnnl_stream_create(&stream, tsr_dnnl_engine(), dnnl_stream_default_flags);
  if (!status) status = dnnl_primitive_execute(primitive, stream, count, arguments);
  if (!status) status = dnnl_stream_wait(stream);
  if (stream) dnnl_stream_destroy(stream);
  for (int i = 0; i < count; i++)
    if (arguments[i].memory) dnnl_memory_destroy(arguments[i].memory);
  free(scratch);
  return status;
}
#endif
