#include "COneDNN.h"
#include "engine.h"

#ifdef TSR_HAVE_DNNL
int tsr_dnnl_sgemm(bool transpose_a, bool transpose_b, size_t m, size_t n, size_t k, float alpha,
                   const float *a, size_t lda, const float *b, size_t ldb, float beta, float *c,
                   size_t ldc) {
  tsr_dnnl_single_thread();
  return (int)dnnl_sgemm(transpose_a ? 'T' : 'N', transpose_b ? 'T' : 'N', (dnnl_dim_t)m,
                         (dnnl_dim_t)n, (dnnl_dim_t)k, alpha, a, (dnnl_dim_t)lda, b,
                         (dnnl_dim_t)ldb, beta, c, (dnnl_dim_t)ldc);
}
#endif
