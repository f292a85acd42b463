#include "COneDNN.h"
#include "engine.h"

#ifdef TSR_HAVE_DNNL
#include <stdlib.h>

// Memory descriptors are plain structs in version 2 and handles in version 3; primitives are made in
// one step there. The helpers below are all that differs.
#if DNNL_VERSION_MAJOR >= 3
typedef dnnl_memory_desc_t layout;
#define QUERY_LAYOUT(pd, what) ((layout)dnnl_primitive_desc_query_md(pd, what, 0))
static layout make_layout(int n, const dnnl_dims_t dims, dnnl_format_tag_t tag) {
  layout made = NULL;
  dnnl_memory_desc_create_with_tag(&made, n, dims, dnnl_f32, tag);
  return made;
}
#define FREE_LAYOUT(l) dnnl_memory_desc_destroy(l)
#else
typedef const dnnl_memory_desc_t *layout;
#define QUERY_LAYOUT(pd, what) dnnl_primitive_desc_query_md(pd, what, 0)
static layout make_layout(int n, const dnnl_dims_t dims, dnnl_format_tag_t tag) {
  dnnl_memory_desc_t *made = malloc(sizeof *made);
  dnnl_memory_desc_init_by_tag(made, n, dims, dnnl_f32, tag);
  return made;
}
#define FREE_LAYOUT(l) free((void *)(l))
#endif

struct tsr_convolution {
  dnnl_primitive_attr_t attributes;
  dnnl_primitive_desc_t forward_description, data_description, weights_description;
  dnnl_primitive_t forward, data, weights;
  dnnl_primitive_t pack_forward, pack_data, unpack_weights;
  layout plain_weights;
};

typedef struct {
  dnnl_dims_t source, weights, destination, bias, strides, dilates, before, after;
} dimensions;

static dimensions dimensions_of(const tsr_convolution_shape *s) {
  dimensions d = {
      .source = {(dnnl_dim_t)s->batch, (dnnl_dim_t)s->channels, (dnnl_dim_t)s->height,
                 (dnnl_dim_t)s->width},
      .weights = {(dnnl_dim_t)s->out_channels, (dnnl_dim_t)s->channels, (dnnl_dim_t)s->kernel_height,
                  (dnnl_dim_t)s->kernel_width},
      .destination = {(dnnl_dim_t)s->batch, (dnnl_dim_t)s->out_channels,
                      (dnnl_dim_t)s->out_height, (dnnl_dim_t)s->out_width},
      .bias = {(dnnl_dim_t)s->out_channels},
      .strides = {(dnnl_dim_t)s->stride, (dnnl_dim_t)s->stride},
      .before = {(dnnl_dim_t)s->pad_top, (dnnl_dim_t)s->pad_left},
      .after = {(dnnl_dim_t)s->pad_bottom, (dnnl_dim_t)s->pad_right},
  };
  return d;
}

// Activations stay in NHWC from layer to layer; only the weights take the layout oneDNN likes best.
static int describe(tsr_convolution *c, const dimensions *d, bool training) {
  layout source = make_layout(4, d->source, dnnl_nhwc), any = make_layout(4, d->weights, dnnl_format_tag_any);
  layout destination = make_layout(4, d->destination, dnnl_nhwc), bias = make_layout(1, d->bias, dnnl_x);
  dnnl_engine_t engine = tsr_dnnl_engine();
  int status;
#if DNNL_VERSION_MAJOR >= 3
  status = dnnl_convolution_forward_primitive_desc_create(
      &c->forward_description, engine, training ? dnnl_forward_training : dnnl_forward_inference,
      dnnl_convolution_direct, source, any, bias, destination, d->strides, d->dilates, d->before,
      d->after, c->attributes);
  if (!status && training)
    status = dnnl_convolution_backward_data_primitive_desc_create(
        &c->data_description, engine, dnnl_convolution_direct, source, any, destination,
        d->strides, d->dilates, d->before, d->after, c->forward_description, c->attributes);
  if (!status && training)
    status = dnnl_convolution_backward_weights_primitive_desc_create(
        &c->weights_description, engine, dnnl_convolution_direct, source, any, bias, destination,
        d->strides, d->dilates, d->before, d->after, c->forward_description, c->attributes);
#else
  dnnl_convolution_desc_t description;
  status = dnnl_dilated_convolution_forward_desc_init(
      &description, training ? dnnl_forward_training : dnnl_forward_inference,
      dnnl_convolution_direct, source, any, bias, destination, d->strides, d->dilates, d->before,
      d->after);
  if (!status)
    status = dnnl_primitive_desc_create(&c->forward_description, &description, c->attributes, engine, NULL);
  if (!status && training) {
    status = dnnl_dilated_convolution_backward_data_desc_init(
        &description, dnnl_convolution_direct, source, any, destination, d->strides, d->dilates,
        d->before, d->after);
    if (!status)
      status = dnnl_primitive_desc_create(&c->data_description, &description, c->attributes, engine,
                                          c->forward_description);
  }
  if (!status && training) {
    status = dnnl_dilated_convolution_backward_weights_desc_init(
        &description, dnnl_convolution_direct, source, any, bias, destination, d->strides,
        d->dilates, d->before, d->after);
    if (!status)
      status = dnnl_primitive_desc_create(&c->weights_description, &description, c->attributes, engine,
                                          c->forward_description);
  }
#endif
  FREE_LAYOUT(source);
  FREE_LAYOUT(any);
  FREE_LAYOUT(destination);
  FREE_LAYOUT(bias);
  return status;
}

static int make_reorder(dnnl_primitive_t *reorder, layout from, layout to) {
  dnnl_primitive_desc_t description = NULL;
  dnnl_engine_t engine = tsr_dnnl_engine();
  int status = dnnl_reorder_primitive_desc_create(&description, from, engine, to, engine, NULL);
  if (!status) status = dnnl_primitive_create(reorder, description);
  dnnl_primitive_desc_destroy(description);
  return status;
}

static int make_primitives(tsr_convolution *c, bool training) {
  int status = dnnl_primitive_create(&c->forward, c->forward_description);
  if (!status)
    status = make_reorder(&c->pack_forward, c->plain_weights,
                          QUERY_LAYOUT(c->forward_description, dnnl_query_weights_md));
  if (status || !training) return status;
  status = dnnl_primitive_create(&c->data, c->data_description);
  if (!status) status = dnnl_primitive_create(&c->weights, c->weights_description);
  if (!status)
    status = make_reorder(&c->pack_data, c->plain_weights,
                          QUERY_LAYOUT(c->data_description, dnnl_query_weights_md));
  if (!status)
    status = make_reorder(&c->unpack_weights,
                          QUERY_LAYOUT(c->weights_description, dnnl_query_diff_weights_md),
                          c->plain_weights);
  return status;
}

// Cutting the output while it is in registers saves a pass over memory.
static int set_activation(tsr_convolution *c, float upper) {
  if (upper <= 0) return 0;
  dnnl_post_ops_t operations = NULL;
  int status = dnnl_post_ops_create(&operations);
  if (status) return status;
#if DNNL_VERSION_MAJOR >= 3
  status = dnnl_post_ops_append_eltwise(operations, dnnl_eltwise_clip, 0.0f, upper);
#else
  status = dnnl_post_ops_append_eltwise(operations, 1.0f, dnnl_eltwise_clip, 0.0f, upper);
#endif
  if (!status) status = dnnl_primitive_attr_set_post_ops(c->attributes, operations);
  dnnl_post_ops_destroy(operations);
  return status;
}

tsr_convolution *tsr_convolution_create(const tsr_convolution_shape *shape, bool training) {
  // Primitives fix their number of threads when they are made.
  tsr_dnnl_single_thread();
  tsr_convolution *c = calloc(1, sizeof *c);
  dimensions d = dimensions_of(shape);
  // Scratch memory comes with each call: oneDNN's own belongs to the thread that made the primitive.
  dnnl_primitive_attr_create(&c->attributes);
  dnnl_primitive_attr_set_scratchpad_mode(c->attributes, dnnl_scratchpad_mode_user);
  c->plain_weights = make_layout(4, d.weights, dnnl_oihw);
  if (!set_activation(c, shape->upper) && !describe(c, &d, training) && !make_primitives(c, training)) return c;
  tsr_convolution_destroy(c);
  return NULL;
}

void tsr_convolution_destroy(tsr_convolution *c) {
  dnnl_primitive_t primitives[] = {c->forward, c->data, c->weights, c->pack_forward, c->pack_data,
                                   c->unpack_weights};
  for (size_t i = 0; i < sizeof primitives / sizeof *primitives; i++)
    if (primitives[i]) dnnl_primitive_destroy(primitives[i]);
  dnnl_primitive_desc_t descriptions[] = {c->forward_description, c->data_description,
                                          c->weights_description};
  for (size_t i = 0; i < sizeof descriptions / sizeof *descriptions; i++)
    if (descriptions[i]) dnnl_primitive_desc_destroy(descriptions[i]);
  FREE_LAYOUT(c->plain_weights);
  dnnl_primitive_attr_destroy(c->attributes);
  free(c);
}

size_t tsr_convolution_packed_count(const tsr_convolution *c, bool backward) {
  dnnl_primitive_desc_t pd = backward ? c->data_description : c->forward_description;
  return dnnl_memory_desc_get_size(QUERY_LAYOUT(pd, dnnl_query_weights_md)) / sizeof(float);
}

// One buffer of a primitive's arguments.
typedef struct {
  int argument;
  layout description;
  const float *data;
} binding;

static int bind(dnnl_exec_arg_t *arguments, const binding *bindings, int count) {
  int status = 0;
  for (int i = 0; i < count && !status; i++) {
    arguments[i].arg = bindings[i].argument;
    status = dnnl_memory_create(&arguments[i].memory, bindings[i].description, tsr_dnnl_engine(),
                                (void *)bindings[i].data);
  }
  return status;
}

// Runs a primitive on the calling thread; `description` (null for a reorder) tells its scratch size.
static int execute(dnnl_primitive_t primitive, dnnl_primitive_desc_t description,
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

int tsr_convolution_pack(const tsr_convolution *c, bool backward, const float *weights,
                         float *packed) {
  dnnl_primitive_desc_t pd = backward ? c->data_description : c->forward_description;
  binding b[] = {{DNNL_ARG_FROM, c->plain_weights, weights},
                 {DNNL_ARG_TO, QUERY_LAYOUT(pd, dnnl_query_weights_md), packed}};
  return execute(backward ? c->pack_data : c->pack_forward, NULL, b, 2);
}

int tsr_convolution_forward(const tsr_convolution *c, const float *source, const float *packed,
                            const float *bias, float *destination) {
  dnnl_primitive_desc_t pd = c->forward_description;
  binding b[] = {{DNNL_ARG_SRC, QUERY_LAYOUT(pd, dnnl_query_src_md), source},
                 {DNNL_ARG_WEIGHTS, QUERY_LAYOUT(pd, dnnl_query_weights_md), packed},
                 {DNNL_ARG_BIAS, dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 1), bias},
                 {DNNL_ARG_DST, QUERY_LAYOUT(pd, dnnl_query_dst_md), destination}};
  return execute(c->forward, pd, b, 4);
}

int tsr_convolution_backward_data(const tsr_convolution *c, const float *d_destination,
                                  const float *packed, float *d_source) {
  dnnl_primitive_desc_t pd = c->data_description;
  binding b[] = {{DNNL_ARG_DIFF_DST, QUERY_LAYOUT(pd, dnnl_query_diff_dst_md), d_destination},
                 {DNNL_ARG_WEIGHTS, QUERY_LAYOUT(pd, dnnl_query_weights_md), packed},
                 {DNNL_ARG_DIFF_SRC, QUERY_LAYOUT(pd, dnnl_query_diff_src_md), d_source}};
  return execute(c->data, pd, b, 3);
}

int tsr_convolution_backward_weights(const tsr_convolution *c, const float *source,
                                     const float *d_destination, float *d_weights, float *d_bias) {
  dnnl_primitive_desc_t pd = c->weights_description;
  layout own = QUERY_LAYOUT(pd, dnnl_query_diff_weights_md);
  float *packed = NULL;
  if (posix_memalign((void **)&packed, 64, dnnl_memory_desc_get_size(own))) return -1;
  binding b[] = {{DNNL_ARG_SRC, QUERY_LAYOUT(pd, dnnl_query_src_md), source},
                 {DNNL_ARG_DIFF_DST, QUERY_LAYOUT(pd, dnnl_query_diff_dst_md), d_destination},
                 {DNNL_ARG_DIFF_WEIGHTS, own, packed},
                 {DNNL_ARG_DIFF_BIAS, dnnl_primitive_desc_query_md(pd, dnnl_query_diff_weights_md, 1),
                  d_bias}};
  int status = execute(c->weights, pd, b, 4);
  binding unpack[] = {{DNNL_ARG_FROM, own, packed}, {DNNL_ARG_TO, c->plain_weights, d_weights}};
  if (!status) status = execute(c->unpack_weights, NULL, unpack, 2);
  free(packed);
  return status;
}
#endif
