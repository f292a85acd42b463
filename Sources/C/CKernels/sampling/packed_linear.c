#include "CKernels.h"
#include "packed_panels.h"

void tsr_pack_panels(float *packed, const float *weight, size_t n, size_t k) {
  size_t panels = (n + TSR_PANEL - 1) / TSR_PANEL;
  for (size_t p = 0; p < panels; p++)
    for (size_t i = 0; i < k; i++)
      for (size_t j = 0; j < TSR_PANEL; j++) {
        size_t output = p * TSR_PANEL + j;
        packed[(p * k + i) * TSR_PANEL + j] = output < n ? weight[output * k + i] : 0.0f;
      }
}

// `count` is a constant at each call, so that the sums stay in registers.
TSR_INLINE void panel_rows(float *y, const float *x, const float *panel, size_t count, size_t width,
                           tsr_linear_share share) {
  float sums[6][TSR_PANEL];
  for (size_t r = 0; r < count; r++)
    for (size_t j = 0; j < TSR_PANEL; j++) sums[r][j] = 0;
  for (size_t i = 0; i < share.k; i++) {
    const float *restrict w = panel + i * TSR_PANEL;
    for (size_t r = 0; r < count; r++) {
      float value = x[r * share.x_stride + i];
      for (size_t j = 0; j < TSR_PANEL; j++) sums[r][j] += value * w[j];
    }
  }
  for (size_t r = 0; r < count; r++)
    for (size_t j = 0; j < width; j++) {
      float *out = y + r * share.y_stride + j;
      *out = share.adding ? *out + sums[r][j] : sums[r][j];
    }
}

TSR_DISPATCH static void linear_portable(float *y, const float *x, const float *packed,
                                         tsr_linear_share share) {
#pragma clang fp contract(fast)
  for (size_t p = share.first_panel; p < share.last_panel; p++) {
    const float *panel = packed + p * share.k * TSR_PANEL;
    size_t width = tsr_panel_width(share.n, p), r = 0;
    float *out = y + p * TSR_PANEL;
    for (; r + 6 <= share.rows; r += 6)
      panel_rows(out + r * share.y_stride, x + r * share.x_stride, panel, 6, width, share);
    for (; r < share.rows; r++)
      panel_rows(out + r * share.y_stride, x + r * share.x_stride, panel, 1, width, share);
  }
}

#if TSR_VECTORS
#define TARGET __attribute__((target("avx512f")))

__attribute__((always_inline)) TARGET static inline void block(float *y, const float *x,
                                                               const float *panel, size_t count,
                                                               size_t width,
                                                               tsr_linear_share share) {
  __m512 low[12], high[12];
  TSR_UNROLL for (size_t r = 0; r < count; r++) low[r] = high[r] = _mm512_setzero_ps();
  for (size_t i = 0; i < share.k; i++) {
    __m512 w0 = _mm512_loadu_ps(panel + i * TSR_PANEL),
           w1 = _mm512_loadu_ps(panel + i * TSR_PANEL + 16);
    TSR_UNROLL for (size_t r = 0; r < count; r++) {
      __m512 value = _mm512_set1_ps(x[r * share.x_stride + i]);
      low[r] = _mm512_fmadd_ps(w0, value, low[r]);
      high[r] = _mm512_fmadd_ps(w1, value, high[r]);
    }
  }
  TSR_UNROLL for (size_t r = 0; r < count; r++)
      tsr_store_outputs(y + r * share.y_stride, low[r], high[r], width, share.adding);
}

TARGET static void linear_avx512(float *y, const float *x, const float *packed,
                                 tsr_linear_share share) {
  for (size_t p = share.first_panel; p < share.last_panel; p++) {
    const float *panel = packed + p * share.k * TSR_PANEL;
    size_t width = tsr_panel_width(share.n, p);
    float *out = y + p * TSR_PANEL;
#define BLOCK(count, r) \
  block(out + r * share.y_stride, x + r * share.x_stride, panel, count, width, share)
    TSR_ROW_BLOCKS(share.rows, BLOCK)
#undef BLOCK
  }
}

TSR_AVX2_INLINE void block_avx2(float *y, const float *x, const float *panel, size_t count,
                                size_t width, tsr_linear_share share) {
  __m256 sums[3][4];
  TSR_UNROLL for (size_t r = 0; r < count; r++) TSR_UNROLL for (size_t q = 0; q < 4; q++)
      sums[r][q] = _mm256_setzero_ps();
  for (size_t i = 0; i < share.k; i++) {
    __m256 value[3];
    TSR_UNROLL for (size_t r = 0; r < count; r++) value[r] =
        _mm256_broadcast_ss(x + r * share.x_stride + i);
    TSR_UNROLL for (size_t q = 0; q < 4; q++) {
      __m256 w = _mm256_loadu_ps(panel + i * TSR_PANEL + 8 * q);
      TSR_UNROLL for (size_t r = 0; r < count; r++) sums[r][q] =
          _mm256_fmadd_ps(w, value[r], sums[r][q]);
    }
  }
  TSR_UNROLL for (size_t r = 0; r < count; r++)
      tsr_store_outputs_avx2(y + r * share.y_stride, sums[r], width, share.adding);
}

TSR_AVX2_TARGET static void linear_avx2(float *y, const float *x, const float *packed,
                                        tsr_linear_share share) {
  for (size_t p = share.first_panel; p < share.last_panel; p++) {
    const float *panel = packed + p * share.k * TSR_PANEL;
    size_t width = tsr_panel_width(share.n, p);
    float *out = y + p * TSR_PANEL;
#define BLOCK(count, r) \
  block_avx2(out + r * share.y_stride, x + r * share.x_stride, panel, count, width, share)
    TSR_FEW_ROW_BLOCKS(share.rows, 3, BLOCK)
#undef BLOCK
  }
}
#endif

#if defined(__aarch64__)
TSR_INLINE void block_neon(float *y, const float *x, const float *panel, size_t count, size_t width,
                           tsr_linear_share share) {
  float32x4_t sums[3][8];
  TSR_UNROLL for (size_t r = 0; r < count; r++) TSR_UNROLL for (size_t q = 0; q < 8; q++)
      sums[r][q] = vdupq_n_f32(0);
  for (size_t i = 0; i < share.k; i++) {
    float value[3];
    TSR_UNROLL for (size_t r = 0; r < count; r++) value[r] = x[r * share.x_stride + i];
    TSR_UNROLL for (size_t q = 0; q < 8; q++) {
      float32x4_t w = vld1q_f32(panel + i * TSR_PANEL + 4 * q);
      TSR_UNROLL for (size_t r = 0; r < count; r++) sums[r][q] =
          vfmaq_n_f32(sums[r][q], w, value[r]);
    }
  }
  TSR_UNROLL for (size_t r = 0; r < count; r++)
      tsr_store_outputs_neon(y + r * share.y_stride, sums[r], 8, width, share.adding);
}

static void linear_neon(float *y, const float *x, const float *packed, tsr_linear_share share) {
  for (size_t p = share.first_panel; p < share.last_panel; p++) {
    const float *panel = packed + p * share.k * TSR_PANEL;
    size_t width = tsr_panel_width(share.n, p);
    float *out = y + p * TSR_PANEL;
#define BLOCK(count, r) \
  block_neon(out + r * share.y_stride, x + r * share.x_stride, panel, count, width, share)
    TSR_FEW_ROW_BLOCKS(share.rows, 3, BLOCK)
#undef BLOCK
  }
}
#endif

void tsr_packed_linear(float *y, const float *x, const float *packed, tsr_linear_share share,
                       tsr_vectors limit) {
#if TSR_VECTORS
  if (limit >= TSR_AVX512 && __builtin_cpu_supports("avx512f"))
    return linear_avx512(y, x, packed, share);
  if (limit >= TSR_AVX2 && tsr_has_wide_vectors()) return linear_avx2(y, x, packed, share);
#elif defined(__aarch64__)
  if (limit >= TSR_NEON) return linear_neon(y, x, packed, share);
#endif
  linear_portable(y, x, packed, share);
}
