// Loops over channels-last images [height, width, channels] that convolutional networks need beside
// convolutions; the conventions of CKernels.h hold here too. Each function computes the output rows
// first_row ..< last_row of one image, so that threads can share an image out.
#pragma once
#include <stddef.h>

/// A square window that moves over an image. Positions outside the image are left out.
typedef struct {
  size_t height, width, channels;
  size_t kernel, stride, pad_top, pad_left;
  size_t out_width;
} tsr_window;

// MARK: vision.c
/// y = the largest value under the window, channel by channel.
void tsr_max_pool(float *y, const float *x, const tsr_window *window, size_t first_row,
                  size_t last_row);
/// y = the mean of the values under the window: what is outside the image does not count.
void tsr_average_pool(float *y, const float *x, const tsr_window *window, size_t first_row,
                      size_t last_row);
/// y = bias + weight [kernel, kernel, channels] times x, each channel on its own, cut to 0...upper.
void tsr_depthwise(float *y, const float *x, const float *weight, const float *bias,
                   const tsr_window *window, float upper, size_t first_row, size_t last_row);
/// Means [channels] over the rows of x [rows, channels]; the sums are kept in double.
void tsr_column_means(float *means, const float *x, size_t rows, size_t channels);
/// y = min(max(y, 0), upper)
void tsr_clamp_positive(float *y, float upper, size_t n);

// MARK: gradients.c
/// dx = dy where y is inside 0...upper, and 0 where it is at an end.
void tsr_clamp_positive_backward(float *dx, const float *dy, const float *y, float upper, size_t n);
/// Adds to dx, of the image x, the gradient dy of y = max_pool(x): to the largest value of each window, of equal ones to
/// the first in raster order.
void tsr_max_pool_backward(float *dx, const float *dy, const float *y, const float *x,
                           const tsr_window *window, size_t out_height);
/// Sum over n channels of weights times the squared difference of x and y, each divided by (its length + 1e-10); in double.
double tsr_unit_distance(const float *x, const float *y, const float *weights, size_t n);
/// dx = scale times the gradient of that by x; 0 where x is 0.
void tsr_unit_distance_gradient(float *dx, const float *x, const float *y, const float *weights,
                                double scale, size_t n);
