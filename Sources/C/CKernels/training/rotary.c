#include "CKernels.h"
#include "dispatch.h"

TSR_DISPATCH void tsr_rotate_pairs(float *x, const float *cos_sin, float direction, size_t heads,
                                   size_t size) {
  for (size_t h = 0; h < heads; h++) {
    float *restrict head = x + h * size;
    for (size_t i = 0; i < size / 2; i++) {
      float c = cos_sin[2 * i], s = direction * cos_sin[2 * i + 1];
      float even = head[2 * i], odd = head[2 * i + 1];
      head[2 * i] = even * c - odd * s;
      head[2 * i + 1] = odd * c + even * s;
    }
  }
}

TSR_DISPATCH void tsr_rotate_rows(float *restrict y, size_t y_stride, const float *restrict x,
                                  size_t x_stride, const float *restrict cos_sin, float direction,
                                  size_t rows, size_t size) {
  for (size_t r = 0; r < rows; r++) {
    const float *in = x + r * x_stride, *angles = cos_sin + r * size;
    float *out = y + r * y_stride;
    for (size_t i = 0; i < size / 2; i++) {
      float c = angles[2 * i], s = direction * angles[2 * i + 1];
      float even = in[2 * i], odd = in[2 * i + 1];
      out[2 * i] = even * c - odd * s;
      out[2 * i + 1] = odd * c + even * s;
    }
  }
}
