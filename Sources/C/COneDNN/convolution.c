#include "COneDNN.h"
#include "engine.h"

#ifdef TSR_HAVE_DNNL
#include <stdlib.h>

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
      .weights = {(dnnl_dim_t)s->out_channels, (dnnl_dim_t)s->channels,
                  (dnnl_dim_t)s->kernel_height, (dnnl_dim_t)s->kernel_width},
      .destination = {(dnnl_dim_t)s->batch, (dnnl_dim_t)s->out_channels, (dnnl_dim_t)s->out_height,
                      (dnnl_dim_t)s->out_width},
      .bias = {(dnnl_dim_t)s->out_channels},
      .strides = {(dnnl_dim_t)s->stride, (dnnl_dim_t)s->stride},
      .before = {(dnnl_dim_t)s->pad_top, (dnnl_dim_t)s->pad_left},
      .after = {(dnnl_dim_t)s->pad_bottom, (dnnl_dim_t)s->pad_right},
  };
  return d;
}

// Activations stay in NHWC from layer to layer; only the weights take the layout that oneDNN prefers.
static int describe(tsr_convolution *c, const dimensions *d, bool bfloat16, bool training) {
  // What a pass reads has the short format, what it writes is float32.
  const dnnl_data_type_t read = bfloat16 ? dnnl_bf16 : dnnl_f32;
  layout source = make_layout(4, d->source, read, dnnl_nhwc);
  layout weights = make_layout(4, d->weights, read, dnnl_format_tag_any);
  layout destination = make_layout(4, d->destination, dnnl_f32, dnnl_nhwc);
  layout bias = make_layout(1, d->bias, dnnl_f32, dnnl_x);
  layout d_source = make_layout(4, d->source, dnnl_f32, dnnl_nhwc);
  layout d_weights = make_layout(4, d->weights, dnnl_f32, dnnl_format_tag_any);
  layout d_destination = make_layout(4, d->destination, read, dnnl_nhwc);
  dnnl_engine_t engine = tsr_dnnl_engine();
  int status;
#if DNNL_VERSION_MAJOR >= 3
  status = dnnl_convolution_forward_primitive_desc_create(
      &c->forward_description, engine, training ? dnnl_forward_training : dnnl_forward_inference,
      dnnl_convolution_direct, source, weights, bias, destination, d->strides, d->dilates,
      d->before, d->after, c->attributes);
  if (!status && training)
    status = dnnl_convolution_backward_data_primitive_desc_create(
        &c->data_description, engine, dnnl_convolution_direct, d_source, weights, d_destination,
        d->strides, d->dilates, d->before, d->after, c->forward_description, c->attributes);
  if (!status && training)
    status = dnnl_convolution_backward_weights_primitive_desc_create(
        &c->weights_description, engine, dnnl_convolution_direct, source, d_weights, bias,
        d_destination, d->strides, d->dilates, d->before, d->after, c->forward_description,
        c->attributes);
#else
  dnnl_convolution_desc_t description;
  status = dnnl_dilated_convolution_forward_desc_init(
      &description, training ? dnnl_forward_training : dnnl_forward_inference,
      dnnl_convolution_direct, source, weights, bias, destination, d->strides, d->dilates,
      d->before, d->after);
  if (!status)
    status = dnnl_primitive_desc_create(&c->forward_description, &description, c->attributes,
                                        engine, NULL);
  if (!status && training) {
    status = dnnl_dilated_convolution_backward_data_desc_init(
        &description, dnnl_convolution_direct, d_source, weights, d_destination, d->strides,
        d->dilates, d->before, d->after);
    if (!status)
      status = dnnl_primitive_desc_create(&c->data_description, &description, c->attributes, engine,
                                          c->forward_description);
  }
  if (!status && training) {
    status = dnnl_dilated_convolution_backward_weights_desc_init(
        &description, dnnl_convolution_direct, source, d_weights, bias, d_destination, d->strides,
        d->dilates, d->before, d->after);
    if (!status)
      status = dnnl_primitive_desc_create(&c->weights_description, &description, c->attributes,
                                          engine, c->forward_description);
  }
#endif
  layout all[] = {source, weights, destination, bias, d_source, d_weights, d_destination};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) FREE_LAYOUT(all[i]);
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
  c->plain_weights = make_layout(4, d.weights, dnnl_f32, dnnl_oihw);
  if (!set_activation(c, shape->upper) && !describe(c, &d, shape->bfloat16, training) &&
      !make_primitives(c, training))
    return c;
  tsr_convolution_destroy(c);
  return NULL;
}

void tsr_convolution_destroy(tsr_convolution *c) {
  dnnl_primitive_t primitives[] = {c->forward,      c->data,      c->weights,
                                   c->pack_forward, c->pack_data, c->unpack_weights};
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

static size_t floats_in(layout l) {
  return (dnnl_memory_desc_get_size(l) + sizeof(float) - 1) / sizeof(float);
}

size_t tsr_convolution_packed_count(const tsr_convolution *c, bool backward) {
  dnnl_primitive_desc_t pd = backward ? c->data_description : c->forward_description;
  return floats_in(QUERY_LAYOUT(pd, dnnl_query_weights_md));
}

size_t tsr_convolution_gradient_count(const tsr_convolution *c) {
  return floats_in(QUERY_LAYOUT(c->weights_description, dnnl_query_diff_weights_md));
}

int tsr_convolution_pack(const tsr_convolution *c, bool backward, const float *weights,
                         void *packed) {
  dnnl_primitive_desc_t pd = backward ? c->data_description : c->forward_description;
  binding b[] = {{DNNL_ARG_FROM, c->plain_weights, weights},
                 {DNNL_ARG_TO, QUERY_LAYOUT(pd, dnnl_query_weights_md), packed}};
  return tsr_dnnl_execute(backward ? c->pack_data : c->pack_forward, NULL, b, 2);
}

int tsr_convolution_forward(const tsr_convolution *c, const void *source, const void *packed,
                            const float *bias, float *destination) {
  dnnl_primitive_desc_t pd = c->forward_description;
  binding b[] = {{DNNL_ARG_SRC, QUERY_LAYOUT(pd, dnnl_query_src_md), source},
                 {DNNL_ARG_WEIGHTS, QUERY_LAYOUT(pd, dnnl_query_weights_md), packed},
                 {DNNL_ARG_BIAS, dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 1), bias},
                 {DNNL_ARG_DST, QUERY_LAYOUT(pd, dnnl_query_dst_md), destination}};
  return tsr_dnnl_execute(c->forward, pd, b, 4);
}

int tsr_convolution_backward_data(const tsr_convolution *c, const void *d_destination,
                                  const void *packed, float *d_source) {
  dnnl_primitive_desc_t pd = c->data_description;
  binding b[] = {{DNNL_ARG_DIFF_DST, QUERY_LAYOUT(pd, dnnl_query_diff_dst_md), d_destination},
                 {DNNL_ARG_WEIGHTS, QUERY_LAYOUT(pd, dnnl_query_weights_md), packed},
                 {DNNL_ARG_DIFF_SRC, QUERY_LAYOUT(pd, dnnl_query_diff_src_md), d_source}};
  return tsr_dnnl_execute(c->data, pd, b, 3);
}

int tsr_convolution_backward_weights(const tsr_convolution *c, const void *source,
                                     const void *d_destination, float *packed, float *d_weights,
                                     float *d_bias) {
  dnnl_primitive_desc_t pd = c->weights_description;
  layout own = QUERY_LAYOUT(pd, dnnl_query_diff_weights_md);
  binding b[] = {{DNNL_ARG_SRC, QUERY_LAYOUT(pd, dnnl_query_src_md), source},
                 {DNNL_ARG_DIFF_DST, QUERY_LAYOUT(pd, dnnl_query_diff_dst_md), d_destination},
                 {DNNL_ARG_DIFF_WEIGHTS, own, packed},
                 {DNNL_ARG_DIFF_BIAS,
                  dnnl_primitive_desc_query_md(pd, dnnl_query_diff_weights_md, 1), d_bias}};
  int status = tsr_dnnl_execute(c->weights, pd, b, 4);
  binding unpack[] = {{DNNL_ARG_FROM, own, packed}, {DNNL_ARG_TO, c->plain_weights, d_weights}};
  return status ? status : tsr_dnnl_execute(c->unpack_weights, NULL, unpack, 2);
}
#endif
