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
    TSR_FEW_ROW_BLOCKS(share.rows, 2, BLOCK)
#undef BLOCK
  }
}
#endif

#if defined(__aarch64__)
TSR_INLINE void store_integers_neon(float *y, const int32x4_t *sums, float x_scale,
                                    const float *scales, size_t count, size_t width, bool adding) {
  float32x4_t values[8];
  TSR_UNROLL for (size_t q = 0; q < count; q++) values[q] =
      vmulq_f32(vcvtq_f32_s32(sums[q]), vmulq_f32(vld1q_f32(scales + 4 * q), vdupq_n_f32(x_scale)));
  tsr_store_outputs_neon(y, values, count, width, adding);
}

TSR_INLINE void block_neon(float *y, const int16_t *x, const float *x_scales, const int8_t *panel,
                           const float *scales, size_t count, size_t width,
                           tsr_linear_share share) {
  int32x4_t sums[2][8];
  size_t pairs = (share.k + 1) / 2;
  TSR_UNROLL for (size_t r = 0; r < count; r++) TSR_UNROLL for (size_t q = 0; q < 8; q++)
      sums[r][q] = vdupq_n_s32(0);
  for (size_t i = 0; i < pairs; i++) {
    int16x4_t pair[2];
    TSR_UNROLL for (size_t r = 0; r < count; r++) {
      int32_t bits;
      memcpy(&bits, x + r * share.x_stride + 2 * i, 4);
      pair[r] = vreinterpret_s16_s32(vdup_n_s32(bits));
    }
    TSR_UNROLL for (size_t q = 0; q < 4; q++) {
      int8x8x2_t bytes = vld2_s8(panel + i * 2 * TSR_PANEL + 16 * q);
      int16x8_t w0 = vmovl_s8(bytes.val[0]), w1 = vmovl_s8(bytes.val[1]);
      TSR_UNROLL for (size_t r = 0; r < count; r++) {
        int32x4_t *low = &sums[r][2 * q], *high = low + 1;
        *low = vmlal_lane_s16(*low, vget_low_s16(w0), pair[r], 0);
        *high = vmlal_high_lane_s16(*high, w0, pair[r], 0);
        *low = vmlal_lane_s16(*low, vget_low_s16(w1), pair[r], 1);
        *high = vmlal_high_lane_s16(*high, w1, pair[r], 1);
      }
    }
  }
  TSR_UNROLL for (size_t r = 0; r < count; r++) store_integers_neon(
      y + r * share.y_stride, sums[r], x_scales[r], scales, 8, width, share.adding);
}

static void linear_neon(float *y, const int16_t *x, const float *x_scales, const int8_t *packed,
                        const float *scales, tsr_linear_share share) {
  for (size_t p = share.first_panel; p < share.last_panel; p++) {
    const int8_t *panel = packed + p * ((share.k + 1) / 2) * 2 * TSR_PANEL;
    const float *panel_scales = scales + p * TSR_PANEL;
    size_t width = tsr_panel_width(share.n, p);
    float *out = y + p * TSR_PANEL;
#define BLOCK(count, r)                                                                           \
  block_neon(out + r * share.y_stride, x + r * share.x_stride, x_scales + r, panel, panel_scales, \
             count, width, share)
    TSR_FEW_ROW_BLOCKS(share.rows, 2, BLOCK)
#undef BLOCK
  }
}

// Dot products multiply bytes. An activation is 256 upper + lower, of a signed and an unsigned byte: the upper bytes are
// multiplied with the weights, the lower ones with the weights + 128, which are unsigned too. What this adds, 128 times
// the sum of the lower bytes, is subtracted at the start. Sums may wrap: the result fits into 32 bits.
typedef struct {
  int32x4_t upper[2][4];
  uint32x4_t lower[2][4];
} byte_sums;

TSR_DOTPROD_INLINE uint32_t sum_of_lower_bytes(const int16_t *x, size_t n) {
  uint32x4_t sums = vdupq_n_u32(0);
  size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    uint8x16_t a = vreinterpretq_u8_s16(vld1q_s16(x + i));
    uint8x16_t b = vreinterpretq_u8_s16(vld1q_s16(x + i + 8));
    sums = vdotq_u32(sums, vuzp1q_u8(a, b), vdupq_n_u8(1));
  }
  uint32_t sum = vaddvq_u32(sums);
  for (; i < n; i++) sum += (uint16_t)x[i] & 0xffu;
  return sum;
}

// Adds the products of four inputs and 16 outputs, whose weights are two rows of pairs.
TSR_DOTPROD_INLINE void add_four_inputs(byte_sums *sums, const int16x4_t *x, const int8_t *first,
                                        const int8_t *second, size_t count) {
  int8x8_t upper[2];
  uint8x8_t lower[2];
  TSR_UNROLL for (size_t r = 0; r < count; r++) {
    int16x8_t twice = vcombine_s16(x[r], x[r]);
    upper[r] = vshrn_n_s16(twice, 8);
    lower[r] = vmovn_u16(vreinterpretq_u16_s16(twice));
  }
  TSR_UNROLL for (size_t q = 0; q < 4; q++) {
    int16x8_t a = vreinterpretq_s16_s8(vld1q_s8(first + q / 2 * 16));
    int16x8_t b = vreinterpretq_s16_s8(vld1q_s8(second + q / 2 * 16));
    int8x16_t w = vreinterpretq_s8_s16(q % 2 ? vzip2q_s16(a, b) : vzip1q_s16(a, b));
    uint8x16_t raised = veorq_u8(vreinterpretq_u8_s8(w), vdupq_n_u8(128));
    TSR_UNROLL for (size_t r = 0; r < count; r++) {
      sums->upper[r][q] = vdotq_lane_s32(sums->upper[r][q], w, upper[r], 0);
      sums->lower[r][q] = vdotq_lane_u32(sums->lower[r][q], raised, lower[r], 0);
    }
  }
}

// 16 outputs, half a panel: the sums of two rows take 16 registers, which leaves some for weights and activations.
TSR_DOTPROD_INLINE void half_block(float *y, const int16_t *x, const float *x_scales,
                                   const uint32_t *lower_bytes, const int8_t *panel,
                                   const float *scales, size_t count, size_t width,
                                   tsr_linear_share share) {
  static const int8_t none[TSR_PANEL] = {0};
  byte_sums sums;
  TSR_UNROLL for (size_t r = 0; r < count; r++) TSR_UNROLL for (size_t q = 0; q < 4; q++) {
    sums.upper[r][q] = vdupq_n_s32(0);
    sums.lower[r][q] = vdupq_n_u32(0u - 128u * lower_bytes[r]);
  }
  int16x4_t four[2];
  size_t i = 0, inputs = (share.k + 1) / 2 * 2;
  for (; i + 4 <= inputs; i += 4) {
    const int8_t *w = panel + i * TSR_PANEL;
    TSR_UNROLL for (size_t r = 0; r < count; r++) four[r] = vld1_s16(x + r * share.x_stride + i);
    add_four_inputs(&sums, four, w, w + 2 * TSR_PANEL, count);
  }
  if (i < inputs) {
    TSR_UNROLL for (size_t r = 0; r < count; r++) {
      int16_t pair[4] = {0};
      memcpy(pair, x + r * share.x_stride + i, 4);
      four[r] = vld1_s16(pair);
    }
    add_four_inputs(&sums, four, panel + i * TSR_PANEL, none, count);
  }
  TSR_UNROLL for (size_t r = 0; r < count; r++) {
    int32x4_t totals[4];
    TSR_UNROLL for (size_t q = 0; q < 4; q++) totals[q] =
        vaddq_s32(vshlq_n_s32(sums.upper[r][q], 8), vreinterpretq_s32_u32(sums.lower[r][q]));
    store_integers_neon(y + r * share.y_stride, totals, x_scales[r], scales, 4, width,
                        share.adding);
  }
}

TSR_DOTPROD_INLINE void block_dotprod(float *y, const int16_t *x, const float *x_scales,
                                      const int8_t *panel, const float *scales, size_t count,
                                      size_t width, tsr_linear_share share) {
  uint32_t lower_bytes[2];
  TSR_UNROLL for (size_t r = 0; r < count; r++) lower_bytes[r] =
      sum_of_lower_bytes(x + r * share.x_stride, share.k);
  for (size_t first = 0; first < width; first += 16)
    half_block(y + first, x, x_scales, lower_bytes, panel + 2 * first, scales + first, count,
               width - first < 16 ? width - first : 16, share);
}

TSR_DOTPROD_TARGET static void linear_dotprod(float *y, const int16_t *x, const float *x_scales,
                                              const int8_t *packed, const float *scales,
                                              tsr_linear_share share) {
  for (size_t p = share.first_panel; p < share.last_panel; p++) {
    const int8_t *panel = packed + p * ((share.k + 1) / 2) * 2 * TSR_PANEL;
    const float *panel_scales = scales + p * TSR_PANEL;
    size_t width = tsr_panel_width(share.n, p);
    float *out = y + p * TSR_PANEL;
#define BLOCK(count, r)                                                                \
  block_dotprod(out + r * share.y_stride, x + r * share.x_stride, x_scales + r, panel, \
                panel_scales, count, width, share)
    TSR_FEW_ROW_BLOCKS(share.rows, 2, BLOCK)
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
#elif defined(__aarch64__)
  if (limit >= TSR_DOTPROD && tsr_has_dot_products())
    return linear_dotprod(y, x, x_scales, packed, scales, share);
  if (limit >= TSR_NEON) return linear_neon(y, x, x_scales, packed, scales, share);
#endif
  linear_portable(y, x, x_scales, packed, scales, share);
}
