#include "CKernels.h"
#include "packed_panels.h"

void tsr_pack_panels_bfloat16(uint16_t *packed, const float *weight, size_t n, size_t k) {
  size_t panels = (n + TSR_PANEL - 1) / TSR_PANEL, pairs = (k + 1) / 2;
  for (size_t p = 0; p < panels; p++)
    for (size_t i = 0; i < pairs; i++) {
      float values[2 * TSR_PANEL];
      for (size_t j = 0; j < 2 * TSR_PANEL; j++) {
        size_t output = p * TSR_PANEL + j / 2, input = 2 * i + j % 2;
        values[j] = output < n && input < k ? weight[output * k + input] : 0.0f;
      }
      tsr_to_bfloat16(packed + (p * pairs + i) * 2 * TSR_PANEL, values, 2 * TSR_PANEL);
    }
}

TSR_INLINE float from_bfloat16(uint16_t bits) {
  uint32_t wide = (uint32_t)bits << 16;
  float value;
  memcpy(&value, &wide, 4);
  return value;
}

TSR_DISPATCH static void linear_portable(float *y, const uint16_t *x, const uint16_t *packed,
                                         tsr_linear_share share) {
#pragma clang fp contract(fast)
  size_t pairs = (share.k + 1) / 2;
  for (size_t p = share.first_panel; p < share.last_panel; p++)
    for (size_t r = 0; r < share.rows; r++) {
      float sums[TSR_PANEL] = {0};
      for (size_t i = 0; i < pairs; i++) {
        const uint16_t *restrict w = packed + (p * pairs + i) * 2 * TSR_PANEL;
        const uint16_t *pair = x + r * share.x_stride + 2 * i;
        float first = from_bfloat16(pair[0]), second = from_bfloat16(pair[1]);
        for (size_t j = 0; j < TSR_PANEL; j++)
          sums[j] += first * from_bfloat16(w[2 * j]) + second * from_bfloat16(w[2 * j + 1]);
      }
      float *out = y + r * share.y_stride + p * TSR_PANEL;
      for (size_t j = 0; j < tsr_panel_width(share.n, p); j++)
        out[j] = share.adding ? out[j] + sums[j] : sums[j];
    }
}

#if TSR_VECTORS
#define TARGET __attribute__((target("avx512f,avx512bw,avx512bf16")))

__attribute__((always_inline)) TARGET static inline void block(float *y, const uint16_t *x,
                                                               const uint16_t *panel, size_t count,
                                                               size_t width,
                                                               tsr_linear_share share) {
  __m512 low[12], high[12];
  size_t pairs = (share.k + 1) / 2;
  TSR_UNROLL for (size_t r = 0; r < count; r++) low[r] = high[r] = _mm512_setzero_ps();
  for (size_t i = 0; i < pairs; i++) {
    const uint16_t *w = panel + i * 2 * TSR_PANEL;
    __m512bh w0 = (__m512bh)_mm512_loadu_si512(w), w1 = (__m512bh)_mm512_loadu_si512(w + TSR_PANEL);
    TSR_UNROLL for (size_t r = 0; r < count; r++) {
      int32_t pair;
      memcpy(&pair, x + r * share.x_stride + 2 * i, 4);
      __m512bh value = (__m512bh)_mm512_set1_epi32(pair);
      low[r] = _mm512_dpbf16_ps(low[r], w0, value);
      high[r] = _mm512_dpbf16_ps(high[r], w1, value);
    }
  }
  TSR_UNROLL for (size_t r = 0; r < count; r++)
      tsr_store_outputs(y + r * share.y_stride, low[r], high[r], width, share.adding);
}

TARGET static void linear_avx512(float *y, const uint16_t *x, const uint16_t *packed,
                                 tsr_linear_share share) {
  for (size_t p = share.first_panel; p < share.last_panel; p++) {
    const uint16_t *panel = packed + p * ((share.k + 1) / 2) * 2 * TSR_PANEL;
    size_t width = tsr_panel_width(share.n, p);
    float *out = y + p * TSR_PANEL;
#define BLOCK(count, r) \
  block(out + r * share.y_stride, x + r * share.x_stride, panel, count, width, share)
    TSR_ROW_BLOCKS(share.rows, BLOCK)
#undef BLOCK
  }
}

// A bfloat16 number in the upper half of 32 bits is a float: each 32 bits hold one in each half.
TSR_AVX2_INLINE __m256 first_of_pairs(__m256i pairs) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(pairs, 16));
}

TSR_AVX2_INLINE __m256 second_of_pairs(__m256i pairs) {
  return _mm256_castsi256_ps(_mm256_and_si256(pairs, _mm256_set1_epi32((int32_t)0xffff0000u)));
}

TSR_AVX2_INLINE void block_avx2(float *y, const uint16_t *x, const uint16_t *panel, size_t count,
                                size_t width, tsr_linear_share share) {
  __m256 sums[2][4];
  size_t pairs = (share.k + 1) / 2;
  TSR_UNROLL for (size_t r = 0; r < count; r++) TSR_UNROLL for (size_t q = 0; q < 4; q++)
      sums[r][q] = _mm256_setzero_ps();
  for (size_t i = 0; i < pairs; i++) {
    __m256 first[2], second[2];
    TSR_UNROLL for (size_t r = 0; r < count; r++) {
      int32_t pair;
      memcpy(&pair, x + r * share.x_stride + 2 * i, 4);
      first[r] = first_of_pairs(_mm256_set1_epi32(pair));
      second[r] = second_of_pairs(_mm256_set1_epi32(pair));
    }
    TSR_UNROLL for (size_t q = 0; q < 4; q++) {
      __m256i w = _mm256_loadu_si256((const __m256i *)(panel + i * 2 * TSR_PANEL + 16 * q));
      __m256 w0 = first_of_pairs(w), w1 = second_of_pairs(w);
      TSR_UNROLL for (size_t r = 0; r < count; r++) {
        sums[r][q] = _mm256_fmadd_ps(w0, first[r], sums[r][q]);
        sums[r][q] = _mm256_fmadd_ps(w1, second[r], sums[r][q]);
      }
    }
  }
  TSR_UNROLL for (size_t r = 0; r < count; r++)
      tsr_store_outputs_avx2(y + r * share.y_stride, sums[r], width, share.adding);
}

TSR_AVX2_TARGET static void linear_avx2(float *y, const uint16_t *x, const uint16_t *packed,
                                        tsr_linear_share share) {
  for (size_t p = share.first_panel; p < share.last_panel; p++) {
    const uint16_t *panel = packed + p * ((share.k + 1) / 2) * 2 * TSR_PANEL;
    size_t width = tsr_panel_width(share.n, p);
    float *out = y + p * TSR_PANEL;
#define BLOCK(count, r) \
  block_avx2(out + r * share.y_stride, x + r * share.x_stride, panel, count, width, share)
    TSR_FEW_ROW_BLOCKS(share.rows, 2, BLOCK)
#undef BLOCK
  }
}
#endif

#if defined(__aarch64__)
TSR_INLINE void block_neon(float *y, const uint16_t *x, const uint16_t *panel, size_t count,
                           size_t width, tsr_linear_share share) {
  float32x4_t sums[2][8];
  size_t pairs = (share.k + 1) / 2;
  TSR_UNROLL for (size_t r = 0; r < count; r++) TSR_UNROLL for (size_t q = 0; q < 8; q++)
      sums[r][q] = vdupq_n_f32(0);
  for (size_t i = 0; i < pairs; i++) {
    float32x4_t value[2];
    TSR_UNROLL for (size_t r = 0; r < count; r++) {
      uint32_t pair;
      memcpy(&pair, x + r * share.x_stride + 2 * i, 4);
      uint32x4_t wide = vmovl_u16(vreinterpret_u16_u32(vdup_n_u32(pair)));
      value[r] = vreinterpretq_f32_u32(vshlq_n_u32(wide, 16));
    }
    // A bfloat16 number in the upper half of 32 bits is a float: each 32 bits hold one in each half.
    TSR_UNROLL for (size_t q = 0; q < 8; q++) {
      uint32x4_t w = vreinterpretq_u32_u16(vld1q_u16(panel + i * 2 * TSR_PANEL + 8 * q));
      float32x4_t w0 = vreinterpretq_f32_u32(vshlq_n_u32(w, 16));
      float32x4_t w1 = vreinterpretq_f32_u32(vandq_u32(w, vdupq_n_u32(0xffff0000u)));
      TSR_UNROLL for (size_t r = 0; r < count; r++) {
        sums[r][q] = vfmaq_laneq_f32(sums[r][q], w0, value[r], 0);
        sums[r][q] = vfmaq_laneq_f32(sums[r][q], w1, value[r], 1);
      }
    }
  }
  TSR_UNROLL for (size_t r = 0; r < count; r++)
      tsr_store_outputs_neon(y + r * share.y_stride, sums[r], 8, width, share.adding);
}

static void linear_neon(float *y, const uint16_t *x, const uint16_t *packed,
                        tsr_linear_share share) {
  for (size_t p = share.first_panel; p < share.last_panel; p++) {
    const uint16_t *panel = packed + p * ((share.k + 1) / 2) * 2 * TSR_PANEL;
    size_t width = tsr_panel_width(share.n, p);
    float *out = y + p * TSR_PANEL;
#define BLOCK(count, r) \
  block_neon(out + r * share.y_stride, x + r * share.x_stride, panel, count, width, share)
    TSR_FEW_ROW_BLOCKS(share.rows, 2, BLOCK)
#undef BLOCK
  }
}
#endif

void tsr_packed_linear_bfloat16(float *y, const uint16_t *x, const uint16_t *packed,
                                tsr_linear_share share, tsr_vectors limit) {
#if TSR_VECTORS
  if (limit >= TSR_AVX512 && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512bf16"))
    return linear_avx512(y, x, packed, share);
  if (limit >= TSR_AVX2 && tsr_has_wide_vectors()) return linear_avx2(y, x, packed, share);
#elif defined(__aarch64__)
  if (limit >= TSR_NEON) return linear_neon(y, x, packed, share);
#endif
  linear_portable(y, x, packed, share);
}
