#include "COneDNN.h"
#include "engine.h"

#ifdef TSR_HAVE_DNNL
#include <stdlib.h>

struct tsr_matmul {
  dnnl_primitive_attr_t attributes;
  dnnl_primitive_desc_t description;
  dnnl_primitive_t primitive;
  layout source, weights, destination;
};

static int describe(tsr_matmul *m, const tsr_matmul_shape *s) {
  dnnl_dims_t a = {(dnnl_dim_t)s->m, (dnnl_dim_t)s->k}, b = {(dnnl_dim_t)s->k, (dnnl_dim_t)s->n};
  dnnl_dims_t c = {(dnnl_dim_t)s->m, (dnnl_dim_t)s->n};
  dnnl_dims_t a_strides = {s->transpose_a ? 1 : (dnnl_dim_t)s->lda,
                           s->transpose_a ? (dnnl_dim_t)s->lda : 1};
  dnnl_dims_t b_strides = {s->transpose_b ? 1 : (dnnl_dim_t)s->ldb,
                           s->transpose_b ? (dnnl_dim_t)s->ldb : 1};
  dnnl_dims_t c_strides = {(dnnl_dim_t)s->ldc, 1};
  m->source = make_strided_layout(2, a, dnnl_bf16, a_strides);
  m->weights = make_strided_layout(2, b, dnnl_bf16, b_strides);
  m->destination = make_strided_layout(2, c, dnnl_f32, c_strides);
#if DNNL_VERSION_MAJOR >= 3
  return dnnl_matmul_primitive_desc_create(&m->description, tsr_dnnl_engine(), m->source,
                                           m->weights, NULL, m->destination, m->attributes);
#else
  dnnl_matmul_desc_t description;
  int status = dnnl_matmul_desc_init(&description, m->source, m->weights, NULL, m->destination);
  if (status) return status;
  return dnnl_primitive_desc_create(&m->description, &description, m->attributes, tsr_dnnl_engine(),
                                    NULL);
#endif
}

static int add_to_destination(tsr_matmul *m) {
  dnnl_post_ops_t operations;
  int status = dnnl_post_ops_create(&operations);
#if DNNL_VERSION_MAJOR >= 3
  if (!status) status = dnnl_post_ops_append_sum(operations, 1.0f, 0, dnnl_data_type_undef);
#else
  if (!status) status = dnnl_post_ops_append_sum(operations, 1.0f);
#endif
  if (!status) status = dnnl_primitive_attr_set_post_ops(m->attributes, operations);
  dnnl_post_ops_destroy(operations);
  return status;
}

tsr_matmul *tsr_matmul_create(const tsr_matmul_shape *shape) {
  tsr_dnnl_single_thread();
  tsr_matmul *m = calloc(1, sizeof *m);
  int status = dnnl_primitive_attr_create(&m->attributes);
  if (!status)
    status = dnnl_primitive_attr_set_scratchpad_mode(m->attributes, dnnl_scratchpad_mode_user);
  if (!status && shape->accumulate) status = add_to_destination(m);
  if (!status) status = describe(m, shape);
  if (!status) status = dnnl_primitive_create(&m->primitive, m->description);
  if (!status) return m;
  tsr_matmul_destroy(m);
  return NULL;
}

void tsr_matmul_destroy(tsr_matmul *m) {
  if (m->primitive) dnnl_primitive_destroy(m->primitive);
  if (m->description) dnnl_primitive_desc_destroy(m->description);
  if (m->source) FREE_LAYOUT(m->source);
  if (m->weights) FREE_LAYOUT(m->weights);
  if (m->destination) FREE_LAYOUT(m->destination);
  if (m->attributes) dnnl_primitive_attr_destroy(m->attributes);
  free(m);
}

int tsr_matmul_run(const tsr_matmul *m, const uint16_t *a, const uint16_t *b, float *c) {
  binding bindings[] = {{DNNL_ARG_SRC, m->source, a},
                        {DNNL_ARG_WEIGHTS, m->weights, b},
                        {DNNL_ARG_DST, m->destination, c}};
  return tsr_dnnl_execute(m->primitive, m->description, bindings, 3);
}
#endif
