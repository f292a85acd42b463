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
