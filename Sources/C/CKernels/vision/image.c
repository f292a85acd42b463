#include "CKernels.h"
#include "dispatch.h"

void tsr_patches(float *columns, const float *image, size_t height, size_t width, size_t channels,
                 size_t kernel_height, size_t kernel_width, size_t stride, size_t pad_top,
                 size_t pad_left, size_t first_row, size_t out_rows, size_t out_width) {
  float *out = columns;
  for (size_t oy = first_row; oy < first_row + out_rows; oy++)
    for (size_t ox = 0; ox < out_width; ox++)
      for (size_t ky = 0; ky < kernel_height; ky++) {
        ptrdiff_t iy = (ptrdiff_t)(oy * stride + ky) - (ptrdiff_t)pad_top;
        for (size_t kx = 0; kx < kernel_width; kx++, out += channels) {
          ptrdiff_t ix = (ptrdiff_t)(ox * stride + kx) - (ptrdiff_t)pad_left;
          bool inside = iy >= 0 && ix >= 0 && iy < (ptrdiff_t)height && ix < (ptrdiff_t)width;
          if (inside)
            memcpy(out, image + ((size_t)iy * width + (size_t)ix) * channels,
                   channels * sizeof(float));
          else
            memset(out, 0, channels * sizeof(float));
        }
      }
}

TSR_DISPATCH void tsr_add_patches(float *image, const float *columns, size_t height, size_t width,
                                  size_t channels, size_t kernel_height, size_t kernel_width,
                                  size_t stride, size_t pad_top, size_t pad_left, size_t first_row,
                                  size_t out_rows, size_t out_width) {
  const float *in = columns;
  for (size_t oy = first_row; oy < first_row + out_rows; oy++)
    for (size_t ox = 0; ox < out_width; ox++)
      for (size_t ky = 0; ky < kernel_height; ky++) {
        ptrdiff_t iy = (ptrdiff_t)(oy * stride + ky) - (ptrdiff_t)pad_top;
        for (size_t kx = 0; kx < kernel_width; kx++, in += channels) {
          ptrdiff_t ix = (ptrdiff_t)(ox * stride + kx) - (ptrdiff_t)pad_left;
          if (iy < 0 || ix < 0 || iy >= (ptrdiff_t)height || ix >= (ptrdiff_t)width) continue;
          float *restrict pixel = image + ((size_t)iy * width + (size_t)ix) * channels;
          for (size_t c = 0; c < channels; c++) pixel[c] += in[c];
        }
      }
}
