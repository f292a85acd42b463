#include <math.h>

#include "CKernels.h"
#include "dispatch.h"

TSR_DISPATCH void tsr_rms_norm(float *y, float *inverse_rms, const float *x, const float *weight,
                               float eps, size_t rows, size_t n) {
  TSR_REASSOCIATE
  for (size_t r = 0; r < rows; r++) {
    const float *restrict row = x + r * n;
    float *restrict out = y + r * n;
    float sum = 0;
    for (size_t i = 0; i < n; i++) sum += row[i] * row[i];
    float inverse = 1.0f / sqrtf(sum / (float)n + eps);
    for (size_t i = 0; i < n; i++) out[i] = row[i] * inverse * weight[i];
    inverse_rms[r] = inverse;
  }
}

// With u = x / rms: d_weight = sum dy u; dx = (dy w - u mean(dy w u)) / rms.
TSR_DISPATCH void tsr_rms_norm_backward(float *dx, float *d_weight, const float *dy, const float *x,
                                        const float *weight, const float *inverse_rms, size_t rows,
                                        size_t n) {
  TSR_REASSOCIATE
  for (size_t r = 0; r < rows; r++) {
    const float *restrict row = x + r * n, *restrict d = dy + r * n;
    float *restrict out = dx + r * n;
    float *restrict dw = d_weight;
    float inverse = inverse_rms[r], dot = 0;
    for (size_t i = 0; i < n; i++) dot += d[i] * weight[i] * row[i];
    float correction = dot * inverse * inverse * inverse / (float)n;
    for (size_t i = 0; i < n; i++) {
      dw[i] += d[i] * row[i] * inverse;
      out[i] = d[i] * weight[i] * inverse - row[i] * correction;
    }
  }
}

// Channel sums run in floats over short blocks of rows and in doubles across them.
enum { BLOCK_ROWS = 32, CHANNELS = 64 };

TSR_DISPATCH void tsr_channel_moments(double *sums, double *squares, const float *x,
                                      const float *pivot, size_t rows, size_t n) {
  for (size_t c0 = 0; c0 < n; c0 += CHANNELS) {
    size_t width = n - c0 < CHANNELS ? n - c0 : CHANNELS;
    for (size_t r0 = 0; r0 < rows; r0 += BLOCK_ROWS) {
      size_t r1 = r0 + BLOCK_ROWS < rows ? r0 + BLOCK_ROWS : rows;
      float s[CHANNELS] = {0}, q[CHANNELS] = {0};
      for (size_t r = r0; r < r1; r++)
        for (size_t i = 0; i < width; i++) {
          float v = x[r * n + c0 + i] - pivot[c0 + i];
          s[i] += v;
          q[i] += v * v;
        }
      for (size_t i = 0; i < width; i++) sums[c0 + i] += s[i], squares[c0 + i] += q[i];
    }
  }
}

TSR_DISPATCH void tsr_scale_shift(float *y, const float *x, const float *scale, const float *shift,
                                  bool silu, size_t rows, size_t n) {
  for (size_t r = 0; r < rows; r++) {
    const float *restrict row = x + r * n;
    float *restrict out = y + r * n;
    if (silu)
      for (size_t i = 0; i < n; i++) {
        float u = row[i] * scale[i] + shift[i];
        out[i] = u * tsr_sigmoid1(u);
      }
    else
      for (size_t i = 0; i < n; i++) out[i] = row[i] * scale[i] + shift[i];
  }
}

TSR_DISPATCH void tsr_scale_shift_bfloat16(uint16_t *y, const float *x, const float *scale,
                                           const float *shift, bool silu, size_t rows, size_t n) {
  for (size_t r = 0; r < rows; r++) {
    const float *restrict row = x + r * n;
    uint16_t *restrict out = y + r * n;
    if (silu)
      for (size_t i = 0; i < n; i++) {
        float u = row[i] * scale[i] + shift[i];
        out[i] = tsr_bfloat16_of(u * tsr_sigmoid1(u));
      }
    else
      for (size_t i = 0; i < n; i++) out[i] = tsr_bfloat16_of(row[i] * scale[i] + shift[i]);
  }
}

TSR_DISPATCH void tsr_scale_shift_backward(float *du, double *sum_du, double *sum_dux,
                                           const float *dy, const float *x, const float *scale,
                                           const float *shift, bool silu, size_t rows, size_t n) {
  for (size_t c0 = 0; c0 < n; c0 += CHANNELS) {
    size_t width = n - c0 < CHANNELS ? n - c0 : CHANNELS;
    for (size_t r0 = 0; r0 < rows; r0 += BLOCK_ROWS) {
      size_t r1 = r0 + BLOCK_ROWS < rows ? r0 + BLOCK_ROWS : rows;
      float s[CHANNELS] = {0}, q[CHANNELS] = {0};
      for (size_t r = r0; r < r1; r++) {
        const float *restrict row = x + r * n + c0, *restrict d = dy + r * n + c0;
        float *restrict out = du + r * n + c0;
        for (size_t i = 0; i < width; i++) {
          float g = d[i];
          if (silu) {
            float u = row[i] * scale[c0 + i] + shift[c0 + i];
            float sg = tsr_sigmoid1(u);
            g *= sg + u * sg * (1.0f - sg);
          }
          out[i] = g;
          s[i] += g;
          q[i] += g * row[i];
        }
      }
      for (size_t i = 0; i < width; i++) sum_du[c0 + i] += s[i], sum_dux[c0 + i] += q[i];
    }
  }
}

TSR_DISPATCH void tsr_affine_pair(float *dx, const float *du, const float *x, const float *a,
                                  const float *b, const float *c0, size_t rows, size_t n) {
  for (size_t r = 0; r < rows; r++) {
    TSR_ELEMENTWISE
    for (size_t i = 0; i < n; i++)
      dx[r * n + i] = du[r * n + i] * a[i] + x[r * n + i] * b[i] + c0[i];
  }
}

TSR_DISPATCH void tsr_l2_normalize(float *y, float *inverse_norm, const float *x, float eps,
                                   size_t rows, size_t n) {
  TSR_REASSOCIATE
  for (size_t r = 0; r < rows; r++) {
    float sum = 0;
    for (size_t i = 0; i < n; i++) sum += x[r * n + i] * x[r * n + i];
    float norm = sqrtf(sum);
    float inverse = 1.0f / (norm > eps ? norm : eps);
    for (size_t i = 0; i < n; i++) y[r * n + i] = x[r * n + i] * inverse;
    inverse_norm[r] = inverse;
  }
}

TSR_DISPATCH void tsr_l2_normalize_backward(float *dx, const float *dy, const float *y,
                                            const float *inverse_norm, size_t rows, size_t n) {
  TSR_REASSOCIATE
  for (size_t r = 0; r < rows; r++) {
    float dot = 0;
    for (size_t i = 0; i < n; i++) dot += dy[r * n + i] * y[r * n + i];
    for (size_t i = 0; i < n; i++)
      dx[r * n + i] = (dy[r * n + i] - y[r * n + i] * dot) * inverse_norm[r];
  }
}
