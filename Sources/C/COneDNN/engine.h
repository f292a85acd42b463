// What the files of this shim share: one process-wide CPU engine, one thread per call, and the few places
// where versions 2 and 3 of oneDNN differ.
#pragma once
#if __has_include(<oneapi/dnnl/dnnl.h>)
#define TSR_HAVE_DNNL 1
#include <oneapi/dnnl/dnnl.h>
#include <stdlib.h>

dnnl_engine_t tsr_dnnl_engine(void);
/// Tells oneDNN's OpenMP runtime to use only the calling thread.
void tsr_dnnl_single_thread(void);

// Memory descriptors are plain structs in version 2 and handles in version 3.
#if DNNL_VERSION_MAJOR >= 3
typedef dnnl_memory_desc_t layout;
#define QUERY_LAYOUT(pd, what) ((layout)dnnl_primitive_desc_query_md(pd, what, 0))
static inline layout make_layout(int n, const dnnl_dims_t dims, dnnl_data_type_t type,
                                 dnnl_format_tag_t tag) {
  layout made = NULL;
  dnnl_memory_desc_create_with_tag(&made, n, dims, type, tag);
  return made;
}
static inline layout make_strided_layout(int n, const dnnl_dims_t dims, dnnl_data_type_t type,
                                         const dnnl_dims_t strides) {
  layout made = NULL;
  dnnl_memory_desc_create_with_strides(&made, n, dims, type, strides);
  return made;
}
#define FREE_LAYOUT(l) dnnl_memory_desc_destroy(l)
#else
typedef const dnnl_memory_desc_t *layout;
#define QUERY_LAYOUT(pd, what) dnnl_primitive_desc_query_md(pd, what, 0)
static inline layout make_layout(int n, const dnnl_dims_t dims, dnnl_data_type_t type,
                                 dnnl_format_tag_t tag) {
  dnnl_memory_desc_t *made = malloc(sizeof *made);
  dnnl_memory_desc_init_by_tag(made, n, dims, type, tag);
  return made;
}
static inline layout make_strided_layout(int n, const dnnl_dims_t dims, dnnl_data_type_t type,
                                         const dnnl_dims_t strides) {
  dnnl_memory_desc_t *made = malloc(sizeof *made);
  dnnl_memory_desc_init_by_strides(made, n, dims, type, strides);
  return made;
}
#define FREE_LAYOUT(l) free((void *)(l))
#endif

/// One buffer of a primitive's arguments.
typedef struct {
  int argument;
  layout description;
  const void *data;
} binding;

/// Runs a primitive on the calling thread; `description` (null for a reorder) tells its scratch size.
int tsr_dnnl_execute(dnnl_primitive_t primitive, dnnl_primitive_desc_t description,
                     const binding *bindings, int count);
#endif
