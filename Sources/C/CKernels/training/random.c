#include "CKernels.h"
#include "dispatch.h"

// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011).
TSR_DISPATCH void tsr_philox(uint32_t *out, uint32_t key0, uint32_t key1, uint32_t first,
                             uint32_t c1, uint32_t c2, uint32_t c3, size_t blocks) {
  for (size_t b = 0; b < blocks; b++) {
    uint32_t x0 = first + (uint32_t)b, x1 = c1, x2 = c2, x3 = c3, k0 = key0, k1 = key1;
    for (int round = 0; round < 10; round++) {
      uint64_t p0 = (uint64_t)x0 * 0xD2511F53u, p1 = (uint64_t)x2 * 0xCD9E8D57u;
      uint32_t y0 = (uint32_t)(p1 >> 32) ^ x1 ^ k0, y2 = (uint32_t)(p0 >> 32) ^ x3 ^ k1;
      x1 = (uint32_t)p1;
      x3 = (uint32_t)p0;
      x0 = y0;
      x2 = y2;
      k0 += 0x9E3779B9u;
      k1 += 0xBB67AE85u;
    }
    out[4 * b] = x0;
    out[4 * b + 1] = x1;
    out[4 * b + 2] = x2;
    out[4 * b + 3] = x3;
  }
}

TSR_DISPATCH void tsr_dropout_add(float *y, uint8_t *mask, const float *residual, const float *x,
                                  const uint32_t *words, uint32_t keep_limit, float scale,
                                  size_t n) {
  if (residual)
    for (size_t i = 0; i < n; i++)
      y[i] = residual[i] + (words[i] < keep_limit ? x[i] * scale : 0.0f);
  else
    for (size_t i = 0; i < n; i++) y[i] = words[i] < keep_limit ? x[i] * scale : 0.0f;
  if (mask)
    for (size_t i = 0; i < n; i++) mask[i] = words[i] < keep_limit;
}

TSR_DISPATCH void tsr_dropout_backward(float *dx, const float *dy, const uint8_t *mask, float scale,
                                       size_t n) {
  for (size_t i = 0; i < n; i++) dx[i] = mask[i] ? dy[i] * scale : 0.0f;
}
