// A thin shim over oneDNN's C API, versions 2 and 3. Every call runs on the calling thread: the callers
// share out the work. Functions return 0, or oneDNN's status.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// c [m, n] = alpha a b + beta c, row-major; a and b are read transposed when asked.
int tsr_dnnl_sgemm(bool transpose_a, bool transpose_b, size_t m, size_t n, size_t k, float alpha,
                   const float *a, size_t lda, const float *b, size_t ldb, float beta, float *c,
                   size_t ldc);

/// "2.6.3"
const char *tsr_dnnl_version_text(void);

/// A matrix product of bfloat16 operands into float32: c [m, n] = a [m, k] b [k, n], or added to c. An
/// operand that is read transposed is stored the other way round; ld* is the distance of stored rows.
typedef struct {
  size_t m, n, k;
  bool transpose_a, transpose_b, accumulate;
  size_t lda, ldb, ldc;
} tsr_matmul_shape;

typedef struct tsr_matmul tsr_matmul;

/// Makes the primitive for a shape. Null when oneDNN cannot.
tsr_matmul *tsr_matmul_create(const tsr_matmul_shape *shape);
void tsr_matmul_destroy(tsr_matmul *matmul);
int tsr_matmul_run(const tsr_matmul *matmul, const uint16_t *a, const uint16_t *b, float *c);

/// A 2-D convolution in NHWC with a bias, weights in OIHW. With `bfloat16`, what a pass reads of activations,
/// weights and gradients is bfloat16, and what it writes is float32, as are bias and sums.
typedef struct {
  size_t batch, height, width, channels;       // source
  size_t out_height, out_width, out_channels;  // destination
  size_t kernel_height, kernel_width, stride;
  size_t pad_top, pad_left, pad_bottom, pad_right;
  float upper;  // above 0: the output is cut to 0...upper; 0: it is left as it is
  bool bfloat16;
} tsr_convolution_shape;

typedef struct tsr_convolution tsr_convolution;

/// Makes the primitives for a shape; `training` adds the backward ones. Null when oneDNN cannot.
tsr_convolution *tsr_convolution_create(const tsr_convolution_shape *shape, bool training);
void tsr_convolution_destroy(tsr_convolution *convolution);

/// Floats that a packed copy of the weights takes, for the forward or the backward-data primitive.
size_t tsr_convolution_packed_count(const tsr_convolution *convolution, bool backward);
/// Floats that the weights' gradient takes in the primitive's own layout.
size_t tsr_convolution_gradient_count(const tsr_convolution *convolution);
/// Reorders float32 weights [out_channels, channels, kernel_height, kernel_width] into the primitive's own
/// layout and format.
int tsr_convolution_pack(const tsr_convolution *convolution, bool backward, const float *weights,
                         void *packed);
int tsr_convolution_forward(const tsr_convolution *convolution, const void *source,
                            const void *packed, const float *bias, float *destination);
int tsr_convolution_backward_data(const tsr_convolution *convolution, const void *d_destination,
                                  const void *packed, float *d_source);
/// Writes (not adds) d_weights [out_channels, channels, kernel_height, kernel_width] and d_bias. `packed` has
/// room for the gradient in the primitive's own layout.
int tsr_convolution_backward_weights(const tsr_convolution *convolution, const void *source,
                                     const void *d_destination, float *packed, float *d_weights,
                                     float *d_bias);
