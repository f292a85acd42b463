// Loops of token-by-token sampling; the conventions of CKernels.h hold here too. Weights lie in panels of
// TSR_PANEL outputs. Each output of a row is summed over the inputs in one fixed order, whatever the number of
// rows: a row's result does not depend on its batch.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// What part of y [rows, n] = x [rows, k] W^T a call computes: the outputs of panels first ..< last.
typedef struct {
  size_t rows, n, k;
  /// Elements from one row to the next, of x (as its format counts them) and of y.
  size_t x_stride, y_stride;
  size_t first_panel, last_panel;
  /// Adds to y instead of replacing it.
  bool adding;
} tsr_linear_share;

/// The versions of a packed layer, from the one that every processor can run. A call takes the last that the
/// processor has, up to its `limit`; all but tests allow all. ARM has versions of its own in the same places: NEON, and
/// the dot products of bytes that newer processors have and that int8 alone uses.
typedef enum {
  TSR_PORTABLE,
  TSR_AVX2,
  TSR_AVX512,
  TSR_NEON = TSR_AVX2,
  TSR_DOTPROD = TSR_AVX512,
  TSR_ALL_VECTORS = TSR_AVX512
} tsr_vectors;

// MARK: packed_linear.c
enum { TSR_PANEL = 32 };
/// Packs weight [n, k] (one row per output) into panels: [ceil(n/32), k, 32], zero padded.
void tsr_pack_panels(float *packed, const float *weight, size_t n, size_t k);
/// The share of y = x W^T, in float32.
void tsr_packed_linear(float *y, const float *x, const float *packed, tsr_linear_share share,
                       tsr_vectors limit);

// MARK: packed_linear_bfloat16.c
/// Packs weight [n, k], rounded, into panels of pairs of inputs: [ceil(n/32), ceil(k/2), 32, 2], zero padded.
void tsr_pack_panels_bfloat16(uint16_t *packed, const float *weight, size_t n, size_t k);
/// The share of y = x W^T for x in bfloat16, rows padded with zeros to an even length; sums in float32.
void tsr_packed_linear_bfloat16(float *y, const uint16_t *x, const uint16_t *packed,
                                tsr_linear_share share, tsr_vectors limit);

// MARK: packed_linear_int8.c
/// Packs weight [n, k] as 8-bit integers times a scale for each output: panels as for bfloat16, scales
/// [ceil(n/32) * 32]. A row that is not finite gets the scale NaN.
void tsr_pack_panels_int8(int8_t *packed, float *scales, const float *weight, size_t n, size_t k);
/// Rounds x [rows, k] to integers times a scale for each row, so that no sum of k products with 8-bit weights
/// overflows 32 bits; rows of q are q_stride apart and padded with zeros. A row that is not finite gets
/// the scale NaN.
void tsr_quantize_rows(int16_t *q, float *scales, const float *x, size_t rows, size_t k,
                       size_t q_stride);
/// The share of y = x W^T for quantized x and W. Sums are exact: the same on every processor.
void tsr_packed_linear_int8(float *y, const int16_t *x, const float *x_scales, const int8_t *packed,
                            const float *scales, tsr_linear_share share, tsr_vectors limit);

// MARK: gated_panels.c
/// y [rows, h] = silu(gate) * up for the channels of panels first ..< last. `both` holds 32 gates, 32 ups, and
/// so on, h rounded up to whole panels of each.
void tsr_swiglu_panels(float *y, const float *both, size_t rows, size_t h, size_t first,
                       size_t last);

// MARK: cached_attention.c
/// Positions of a block of cached keys.
enum { TSR_KEY_BLOCK = 32 };
/// Stores the key and value of a position of one head. Keys lie in blocks, [ceil(count/32), size, 32], so that
/// the scores of neighbouring positions are computed side by side; values are [count, size].
void tsr_cache_store(float *keys, float *values, const float *key, const float *value,
                     size_t position, size_t size);
/// Attention of one query head over `count` cached positions: scores k q, softmax, weighted sum of v.
/// weights is scratch of count, rounded up to whole blocks.
void tsr_cache_attend(float *out, float *weights, const float *query, const float *keys,
                      const float *values, float scale, size_t count, size_t size);
/// The same with a cache in bfloat16.
void tsr_cache_store_bfloat16(uint16_t *keys, uint16_t *values, const float *key,
                              const float *value, size_t position, size_t size);
/// The same with a cache in bfloat16.
void tsr_cache_attend_bfloat16(float *out, float *weights, const float *query, const uint16_t *keys,
                               const uint16_t *values, float scale, size_t count, size_t size);

// MARK: draw.c
/// Entries that share a partial sum.
enum { TSR_DRAW_BLOCK = 64 };
/// The first of the largest entries; n if one is NaN.
size_t tsr_largest(const float *x, size_t n);
/// x = exp((x - maximum) * factor), and the sum of each block of 64 entries.
void tsr_draw_weights(float *x, double *block_sums, float maximum, float factor, size_t n);
/// Divides each entry by an exponentially distributed number that its random word gives: the largest of the
/// results is at an entry drawn in proportion to x. It is the Gumbel-max trick without logarithms of x.
void tsr_race(float *x, const uint32_t *words, size_t n);
/// Of weights that are not negative, the largest threshold for which those at or above it number `target`,
/// or sum to `target` if by_mass. `above` becomes the count or sum of those that lie above it.
float tsr_draw_threshold(const float *weights, size_t n, double target, bool by_mass,
                         double *above);
