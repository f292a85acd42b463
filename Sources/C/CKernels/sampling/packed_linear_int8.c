#include <math.h>

#include "CKernels.h"
#include "packed_panels.h"

// The largest magnitude of n numbers; NaN if one is not finite.
TSR_INLINE float largest_magnitude(const float *x, size_t n) {
  uint32_t largest = 0;
  for (size_t i = 0; i < n; i++) {
    uint32_t bits;
    memcpy(&bits, &x[i], 4);
    bits &= 0x7fffffffu;  // magnitudes of floats compare as their bits do
    largest = bits > largest ? bits : largest;
  }
  float value;
  memcpy(&value, &largest, 4);
  return largest < 0x7f800000u ? value : NAN;
}

TSR_DISPATCH void tsr_pack_panels_int8(int8_t *packed, float *scales, const float *weight, size_t n,
                                       size_t k) {
  size_t panels = (n + TSR_PANEL - 1) / TSR_PANEL, pairs = (k + 1) / 2;
  memset(packed, 0, panels * pairs * 2 * TSR_PANEL);
  for (size_t output = 0; output < panels * TSR_PANEL; output++) {
    float largest = output < n ? largest_magnitude(weight + output * k, k) : 0.0f;
    scales[output] = largest / 127.0f;
    // As below: what is that small counts as zero.
    if (!(largest > 1e-30f)) continue;
    int8_t *column = packed + output / TSR_PANEL * pairs * 2 * TSR_PANEL + output % TSR_PANEL * 2;
    for (size_t i = 0; i < k; i++)
      column[i / 2 * 2 * TSR_PANEL + i % 2] =
          (int8_t)rintf(weight[output * k + i] * (127.0f / largest));
  }
}

TSR_DISPATCH void tsr_quantize_rows(int16_t *q, float *scales, const float *x, size_t rows,
                                    size_t k, size_t q_stride) {
  float limit = floorf(2147483647.0f / 128.0f / (float)(k > 0 ? k : 1));
  limit = limit < 32767.0f ? limit : 32767.0f;
  for (size_t r = 0; r < rows; r++) {
    const float *row = x + r * k;
    int16_t *restrict out = q + r * q_stride;
    float largest = largest_magnitude(row, k);
    scales[r] = largest / limit;
    // A reciprocal of the least magnitudes would overflow; what is that small counts as zero.
    float factor = largest > 1e-30f ? limit / largest : 0.0f;
    for (size_t i = 0; i < k; i++) out[i] = factor > 0 ? (int16_t)rintf(row[i] * factor) : 0;
    for (size_t i = k; i < q_stride; i++) out[i] = 0;
  }
}

TSR_DISPATCH static void linear_portable(float *y, const int16_t *x, const float *x_scales,
                                         const int8_t *packed, const float *scales,
                                         tsr_linear_share share) {
  size_t pairs = (share.k + 1) / 2;
  for (size_t p = share.first_panel; p < share.last_panel; p++)
    for (size_t r = 0; r < share.rows; r++) {
      int32_t sums[TSR_PANEL] = {0};
      for (size_t i = 0; i < pairs; i++) {
        const int8_t *restrict w = packed + (p * pairs + i) * 2 * TSR_PANEL;
        const int16_t *pair = x + r * share.x_stride + 2 * i;
        int32_t first = pair[0], second = pair[1];
        for (size_t j = 0; j < TSR_PANEL; j++) sums[j] += first * w[2 * j] + second * w[2 * j + 1];
      }
      float *out = y + r * share.y_stride + p * TSR_PANEL;
      for (size_t j = 0; j < tsr_panel_width(share.n, p); j++) {
        float value = (float)sums[j] * (scales[p * TSR_PANEL + j] * x_scales[r]);
        out[j] = share.adding ? out[j] + value : value;
      }
    }
}

#if TSR_VECTORS
// The tuning keeps the compiler from splitting the fused product and sum in two.
#define TARGET __attribute__((target("avx512f,avx512bw,avx512vnni,tune=znver4")))

__attribute__((always_inline)) TARGET static inline void block(
    float *y, const int16_t *x, const float *x_scales, const int8_t *panel, const float *scales,
    size_t count, size_t width, tsr_linear_share share) {
  __m512i low[12], high[12];
  size_t pairs = (share.k + 1) / 2;
  TSR_UNROLL for (size_t r = 0; r < count; r++) low[r] = high[r] = _mm512_setzero_si512();
  for (size_t i = 0; i < pairs; i++) {
    const __m256i *w = (const __m256i *)(panel + i * 2 * TSR_PANEL);
    __m512i w0 = _mm512_cvtepi8_epi16(_mm256_loadu_si256(w));
    __m512i w1 = _mm512_cvtepi8_epi16(_mm256_loadu_si256(w + 1));
    TSR_UNROLL for (size_t r = 0; r < count; r++) {
      int32_t pair;
      memcpy(&pair, x + r * share.x_stride + 2 * i, 4);
      __m512i value = _mm512_set1_epi32(pair);
      low[r] = _mm512_dpwssd_epi32(low[r], w0, value);
      high[r] = _mm512_dpwssd_epi32(high[r], w1, value);
    }
  }
  __m512 s0 = _mm512_loadu_ps(scales), s1 = _mm512_loadu_ps(scales + 16);
  TSR_UNROLL for (size_t r = 0; r < count; r++) {
    __m512 scale = _mm512_set1_ps(x_scales[r]);
    tsr_store_outputs(
        y + r * share.y_stride, _mm512_mul_ps(_mm512_cvtepi32_ps(low[r]), _mm512_mul_ps(s0, scale)),
        _mm512_mul_ps(_mm512_cvtepi32_ps(high[r]), _mm512_mul_ps(s1, scale)), width, share.adding);
  }
}

TARGET static void linear_avx512(float *y, const int16_t *x, const float *x_scales,
                                 const int8_t *packed, const float *scales,
                                 tsr_linear_share share) {
  for (size_t p = share.first_panel; p < share.last_panel; p++) {
    const int8_t *panel = packed + p * ((share.k + 1) / 2) * 2 * TSR_PANEL;
    const float *panel_scales = scales + p * TSR_PANEL;
    size_t width = tsr_panel_width(share.n, p);
    float *out = y + p * TSR_PANEL;
#define BLOCK(count, r)                                                                      \
  block(out + r * share.y_stride, x + r * share.x_stride, x_scales + r, panel, panel_scales, \
        count, width, share)
    TSR_ROW_BLOCKS(share.rows, BLOCK)
#undef BLOCK
  }
}

TSR_AVX2_INLINE void block_avx2(float *y, const int16_t *x, const float *x_scales,
                                const int8_t *panel, const float *scales, size_t count,
                                size_t width, tsr_linear_share share) {
  __m256i sums[2][4];
  size_t pairs = (share.k + 1) / 2;
  TSR_UNROLL for (size_t r = 0; r < count; r++) TSR_UNROLL for (size_t q = 0; q < 4; q++)
      sums[r][q] = _mm256_setzero_si256();
  for (size_t i = 0; i < pairs; i++) {
    __m256i value[2];
    TSR_UNROLL for (size_t r = 0; r < count; r++) {
      int32_t pair;
      memcpy(&pair, x + r * share.x_stride + 2 * i, 4);
      value[r] = _mm256_set1_epi32(pair);
    }
    TSR_UNROLL for (size_t q = 0; q < 4; q++) {
      const __m128i *bytes = (const __m128i *)(panel + i * 2 * TSR_PANEL + 16 * q);
      __m256i w = _mm256_cvtepi8_epi16(_mm_loadu_si128(bytes));
      TSR_UNROLL for (size_t r = 0; r < count; r++) sums[r][q] =
          _mm256_add_epi32(sums[r][q], _mm256_madd_epi16(w, value[r]));
    }
  }
  TSR_UNROLL for (size_t r = 0; r < count; r++) {
    __m256 scale = _mm256_set1_ps(x_scales[r]), values[4];
    TSR_UNROLL for (size_t q = 0; q < 4; q++) values[q] = _mm256_mul_ps(
        _mm256_cvtepi32_ps(sums[r][q]), _mm256_mul_ps(_mm256_loadu_ps(scales + 8 * q), scale));
    tsr_store_outputs_avx2(y + r * share.y_stride, values, width, share.adding);
  }
}

TSR_AVX2_TARGET static void linear_avx2(float *y, const int16_t *x, const float *x_scales,
                                        const int8_t *packed, const float *scales,
                                        tsr_linear_share share) {
  for (size_t p = share.first_panel; p < share.last_panel; p++) {
    const int8_t *panel = packed + p * ((share.k + 1) / 2) * 2 * TSR_PANEL;
    const float *panel_scales = scales + p * TSR_PANEL;
    size_t width = tsr_panel_width(share.n, p);
    float *out = y + p * TSR_PANEL;
#define BLOCK(count, r)                                                                           \
  block_avx2(out + r * share.y_stride, x + r * share.x_stride, x_scales + r, panel, panel_scales, \
             count, width, share)
    TSR_AVX2_ROW_BLOCKS(share.rows, 2, BLOCK)
#undef BLOCK
  }
}
#endif

void tsr_packed_linear_int8(float *y, const int16_t *x, const float *x_scales, const int8_t *packed,
                            const float *scales, tsr_linear_share share, tsr_vectors limit) {
#if TSR_VECTORS
  if (limit >= TSR_AVX512 && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512vnni"))
    return linear_avx512(y, x, x_scales, packed, scales, share);
  if (limit >= TSR_AVX2 && tsr_has_wide_vectors())
    return linear_avx2(y, x, x_scales, packed, scales, share);
#endif
  linear_portable(y, x, x_scales, packed, scales, share);
}
