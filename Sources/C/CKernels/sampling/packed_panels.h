// What the packed linear layers of the three formats share.
#pragma once
#include "SamplingKernels.h"
#include "dispatch.h"

#define TSR_UNROLL _Pragma("clang loop unroll(full)")

/// Calls BLOCK(count, first_row) over all rows, up to `limit` (2 or 3) at a time and no single one after three.
#define TSR_FEW_ROW_BLOCKS(rows, limit, BLOCK)               \
  for (size_t r = 0, count; r < (rows); r += count) {        \
    size_t left = (rows)-r;                                  \
    count = left == 4 ? 2 : left < (limit) ? left : (limit); \
    switch (count) {                                         \
      case 3: BLOCK(3, r); break;                            \
      case 2: BLOCK(2, r); break;                            \
      default: BLOCK(1, r); break;                           \
    }                                                        \
  }

#if defined(__x86_64__) && defined(__linux__)
#include <immintrin.h>
#define TSR_VECTORS 1  // versions with intrinsics, for AVX-512 and for AVX2

/// How many of the remaining rows the next block takes: as many as the registers hold, and no small rest
/// where equal blocks would do. 24 sums of 16 floats leave registers for the weights.
static inline size_t tsr_next_rows(size_t left) {
  if (left >= 12 && left != 16) return 12;
  return left >= 8 ? 8 : left >= 4 ? 4 : left >= 2 ? 2 : 1;
}

/// Calls BLOCK(count, first_row) over all rows, `count` a constant each time so that sums stay in registers.
#define TSR_ROW_BLOCKS(rows, BLOCK)                   \
  for (size_t r = 0, count; r < (rows); r += count) { \
    count = tsr_next_rows((rows)-r);                  \
    switch (count) {                                  \
      case 12: BLOCK(12, r); break;                   \
      case 8: BLOCK(8, r); break;                     \
      case 4: BLOCK(4, r); break;                     \
      case 2: BLOCK(2, r); break;                     \
      default: BLOCK(1, r); break;                    \
    }                                                 \
  }

/// Writes or adds 32 outputs, of which `width` exist.
__attribute__((always_inline, target("avx512f"))) static inline void tsr_store_outputs(
    float *y, __m512 low, __m512 high, size_t width, bool adding) {
  uint32_t mask = width >= 32 ? 0xffffffffu : (1u << width) - 1u;
  __mmask16 first = (__mmask16)mask, second = (__mmask16)(mask >> 16);
  if (adding) {
    low = _mm512_add_ps(low, _mm512_maskz_loadu_ps(first, y));
    high = _mm512_add_ps(high, _mm512_maskz_loadu_ps(second, y + 16));
  }
  _mm512_mask_storeu_ps(y, first, low);
  _mm512_mask_storeu_ps(y + 16, second, high);
}

/// Processors with AVX2 have 16 registers of 8 floats: a block has at most three rows, whose sums take 12.
#define TSR_AVX2_TARGET __attribute__((target("avx2,fma")))
#define TSR_AVX2_INLINE __attribute__((always_inline, target("avx2,fma"))) static inline

/// Writes or adds 32 outputs, of which `width` exist.
TSR_AVX2_INLINE void tsr_store_outputs_avx2(float *y, const __m256 *sums, size_t width,
                                            bool adding) {
  if (width == TSR_PANEL) {
    TSR_UNROLL for (size_t q = 0; q < 4; q++) {
      __m256 sum = adding ? _mm256_add_ps(_mm256_loadu_ps(y + 8 * q), sums[q]) : sums[q];
      _mm256_storeu_ps(y + 8 * q, sum);
    }
    return;
  }
  float values[TSR_PANEL];
  for (size_t q = 0; q < 4; q++) _mm256_storeu_ps(values + 8 * q, sums[q]);
  for (size_t j = 0; j < width; j++) y[j] = adding ? y[j] + values[j] : values[j];
}
#endif

#if defined(__aarch64__)
#include <arm_neon.h>
// Every such processor has NEON: 32 registers of 4 floats. A block has at most three rows, whose sums take 24; two where
// the weights are widened, which takes registers too.

/// Products and sums of four 8-bit integers at once, which processors have since about 2018.
#define TSR_DOTPROD_TARGET __attribute__((target("dotprod")))
#define TSR_DOTPROD_INLINE __attribute__((always_inline, target("dotprod"))) static inline

/// Writes or adds the outputs of `count` sums of four, of which `width` exist.
TSR_INLINE void tsr_store_outputs_neon(float *y, const float32x4_t *sums, size_t count,
                                       size_t width, bool adding) {
  if (width == 4 * count) {
    TSR_UNROLL for (size_t q = 0; q < count; q++)
        vst1q_f32(y + 4 * q, adding ? vaddq_f32(vld1q_f32(y + 4 * q), sums[q]) : sums[q]);
    return;
  }
  float values[TSR_PANEL];
  for (size_t q = 0; q < count; q++) vst1q_f32(values + 4 * q, sums[q]);
  for (size_t j = 0; j < width; j++) y[j] = adding ? y[j] + values[j] : values[j];
}
#endif

TSR_INLINE size_t tsr_panel_width(size_t n, size_t panel) {
  size_t left = n - panel * TSR_PANEL;
  return left < TSR_PANEL ? left : TSR_PANEL;
}
