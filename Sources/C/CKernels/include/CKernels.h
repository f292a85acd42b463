// Vector loops that no library at hand has. Every function is single-threaded, keeps no state and
// has a plain Swift oracle in the tests. Arrays are float32, row-major and do not overlap unless
// said; sizes are in elements. The loops are compiled for several x86-64 levels and the loader picks
// one at run time; on ARM the compiler makes NEON of them, which every processor has.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "CodebookKernels.h"
#include "SamplingKernels.h"
#include "VisionKernels.h"

// MARK: elementwise.c
/// y = a + b
void tsr_add(float *y, const float *a, const float *b, size_t n);
/// y += alpha x
void tsr_axpy(float *y, float alpha, const float *x, size_t n);
/// y = alpha x; y may be x
void tsr_scale(float *y, float alpha, const float *x, size_t n);
/// y[row] += bias, over rows of n
void tsr_add_bias(float *y, const float *bias, size_t rows, size_t n);
/// sums[c] += sum over rows of x[row, c]
void tsr_column_sums(float *sums, const float *x, size_t rows, size_t n);
/// Sum of x * y, in float lanes folded into a double every 4096 elements.
double tsr_dot(const float *x, const float *y, size_t n);
/// Sum of (x - y)^2 and, in gradient, 2 (x - y) scale; gradient may be null.
double tsr_squared_error(float *gradient, const float *x, const float *y, float scale, size_t n);
/// Sum of |x - y| and, in gradient, sign(x - y) scale; gradient may be null.
double tsr_absolute_error(float *gradient, const float *x, const float *y, float scale, size_t n);
/// ema = decay ema + (1 - decay) x
void tsr_moving_average(float *ema, const float *x, float decay, size_t n);
/// y = x rounded to bfloat16 (to nearest, ties to even); NaN stays NaN.
void tsr_to_bfloat16(uint16_t *y, const float *x, size_t n);
/// y = exp(x)
void tsr_exp(float *y, const float *x, size_t n);

// MARK: activation.c
/// y = x sigmoid(x)
void tsr_silu(float *y, const float *x, size_t n);
/// dx = dy * d silu(x) / dx
void tsr_silu_backward(float *dx, const float *dy, const float *x, size_t n);
/// y = x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2
void tsr_gelu(float *y, const float *x, size_t n);
/// dx = dy * d gelu(x) / dx
void tsr_gelu_backward(float *dx, const float *dy, const float *x, size_t n);
/// y[row] = silu(gate[row]) * up[row]; a row of both holds gate then up, 2n long.
void tsr_swiglu(float *y, const float *both, size_t rows, size_t n);
void tsr_swiglu_backward(float *d_both, const float *dy, const float *both, size_t rows, size_t n);
/// The same in bfloat16; rounded [rows, 2n], which may be null, becomes both.
void tsr_swiglu_bfloat16(uint16_t *y, uint16_t *rounded, const float *both, size_t rows, size_t n);
/// From such a rounded copy, with a gradient [rows, n] for each of its halves.
void tsr_swiglu_backward_bfloat16(uint16_t *d_gate, uint16_t *d_up, const float *dy,
                                  const uint16_t *both, size_t rows, size_t n);

// MARK: norm.c
/// y = x / sqrt(mean(x^2) + eps) * weight; inverse_rms [rows] is kept for the backward pass.
void tsr_rms_norm(float *y, float *inverse_rms, const float *x, const float *weight, float eps,
                  size_t rows, size_t n);
/// d_weight += its gradient, dx = gradient.
void tsr_rms_norm_backward(float *dx, float *d_weight, const float *dy, const float *x,
                           const float *weight, const float *inverse_rms, size_t rows, size_t n);
/// sums[c] += x - pivot, squares[c] += (x - pivot)^2 over rows of n channels.
void tsr_channel_moments(double *sums, double *squares, const float *x, const float *pivot,
                         size_t rows, size_t n);
/// y = x * scale + shift per channel, then silu when asked.
void tsr_scale_shift(float *y, const float *x, const float *scale, const float *shift, bool silu,
                     size_t rows, size_t n);
/// The same, rounded to bfloat16.
void tsr_scale_shift_bfloat16(uint16_t *y, const float *x, const float *scale, const float *shift,
                              bool silu, size_t rows, size_t n);
/// du = dy * silu'(x scale + shift) (or dy); sum_du[c] += du, sum_dux[c] += du x.
void tsr_scale_shift_backward(float *du, double *sum_du, double *sum_dux, const float *dy,
                              const float *x, const float *scale, const float *shift, bool silu,
                              size_t rows, size_t n);
/// dx = du * a[c] + x * b[c] + c0[c]; du may be dx.
void tsr_affine_pair(float *dx, const float *du, const float *x, const float *a, const float *b,
                     const float *c0, size_t rows, size_t n);
/// y = x / max(|x|, eps) per row; inverse_norm [rows] is kept.
void tsr_l2_normalize(float *y, float *inverse_norm, const float *x, float eps, size_t rows,
                      size_t n);
void tsr_l2_normalize_backward(float *dx, const float *dy, const float *y,
                               const float *inverse_norm, size_t rows, size_t n);

// MARK: rotary.c
/// Rotates the interleaved pairs of `heads` heads of one row in place; cos_sin [size/2, 2].
/// direction +1 rotates forward, -1 applies the transposed map of the backward pass.
void tsr_rotate_pairs(float *x, const float *cos_sin, float direction, size_t heads, size_t size);
/// y[row] = x[row] rotated by the row's own angles, cos_sin [rows, size / 2, 2]; y and x do not overlap.
void tsr_rotate_rows(float *y, size_t y_stride, const float *x, size_t x_stride,
                     const float *cos_sin, float direction, size_t rows, size_t size);

// MARK: softmax.c
/// weights = exp(logits - maximum), of the row's own maximum. Returns their sum, added up in double precision.
double tsr_exponentials_row(float *weights, float *maximum, const float *logits, size_t n);
/// How many entries are above a value.
size_t tsr_count_above(const float *x, float value, size_t n);
/// Softmax over the first `visible` entries of a row of scale * scores; the rest become 0.
/// mask, when not null, hides entries whose byte is 0. Returns log sum exp (-inf for an empty row).
float tsr_softmax_row(float *row, const uint8_t *mask, float scale, size_t visible, size_t n);
/// d_scores = p * (d_p - sum(p d_p)) * scale, in place in d_p.
void tsr_softmax_backward_row(float *d_p, const float *p, float scale, size_t n);
/// Cross-entropy of one row with label smoothing and the cluster term:
/// token loss -> losses[0], cluster loss -> losses[1]. When gradient is not null it receives
/// scale * (d token + cluster_weight * d cluster); it may be logits itself.
void tsr_cross_entropy_row(float *losses, float *gradient, const float *logits, size_t n,
                           size_t target, float smoothing, size_t cluster_size,
                           float cluster_weight, float scale);

// MARK: optimizer.c
/// One AdamW step on n elements; corrections are 1 - beta^t; decay is the decoupled weight decay.
void tsr_adamw(float *parameter, float *m, float *v, const float *gradient, float gradient_scale,
               float rate, float beta1, float beta2, float eps, float decay, float correction1,
               float correction2, size_t n);

// MARK: random.c
/// Philox4x32-10 of `blocks` consecutive counters (first, c1, c2, c3), (first + 1, ...): 4 words each.
void tsr_philox(uint32_t *out, uint32_t key0, uint32_t key1, uint32_t first, uint32_t c1,
                uint32_t c2, uint32_t c3, size_t blocks);
/// y = residual + x * mask * scale, mask drawn from words < keep_limit and written as 0 or 1 (residual and mask may
/// be null).
void tsr_dropout_add(float *y, uint8_t *mask, const float *residual, const float *x,
                     const uint32_t *words, uint32_t keep_limit, float scale, size_t n);
/// dx = dy * mask * scale
void tsr_dropout_backward(float *dx, const float *dy, const uint8_t *mask, float scale, size_t n);

// MARK: image.c
/// Rows of a convolution's patches: columns [out_rows * out_width, kernel_height * kernel_width *
/// channels] from an image [height, width, channels], for output rows first_row ..< first_row + out_rows.
void tsr_patches(float *columns, const float *image, size_t height, size_t width, size_t channels,
                 size_t kernel_height, size_t kernel_width, size_t stride, size_t pad_top,
                 size_t pad_left, size_t first_row, size_t out_rows, size_t out_width);
/// The transpose: image += patches of columns.
void tsr_add_patches(float *image, const float *columns, size_t height, size_t width,
                     size_t channels, size_t kernel_height, size_t kernel_width, size_t stride,
                     size_t pad_top, size_t pad_left, size_t first_row, size_t out_rows,
                     size_t out_width);

// MARK: processor.c
/// Name of the x86-64 level, or of the instructions of ARM, that run-time dispatch picks, for `--version`.
const char *tsr_instruction_set(void);
/// Whether the processor multiplies bfloat16 in hardware.
bool tsr_has_bfloat16(void);
/// Whether the processor has vectors for which the packed layers of all formats have a version: those of 256 bits with
/// integers and fused products (AVX2, FMA), or NEON.
bool tsr_has_wide_vectors(void);
/// Whether the processor has AVX-512, as far as x86-64-v4 asks for it.
bool tsr_has_avx512(void);
#if defined(__aarch64__)
/// Whether the processor has dot products of bytes (sdot, udot).
bool tsr_has_dot_products(void);
#endif
/// Asks for large pages of memory that begins at a multiple of 2 MB: streams read them faster.
void tsr_advise_huge_pages(void *memory, size_t bytes);
/// Hint to the processor that this thread is spinning.
void tsr_pause(void);
