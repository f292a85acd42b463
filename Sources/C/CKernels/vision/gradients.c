#include <math.h>

#include "CKernels.h"
#include "dispatch.h"
#include "window_span.h"

TSR_DISPATCH void tsr_clamp_positive_backward(float *dx, const float *dy, const float *y,
                                              float upper, size_t n) {
  for (size_t i = 0; i < n; i++) dx[i] = y[i] > 0.0f && y[i] < upper ? dy[i] : 0.0f;
}

// What an output's gradient has left is 0 once a value of its window has taken it.
TSR_DISPATCH void tsr_max_pool_backward(float *dx, const float *dy, const float *y, const float *x,
                                        const tsr_window *w, size_t out_height) {
  enum { BLOCK = 64 };
  const size_t channels = w->channels;
  for (size_t oy = 0; oy < out_height; oy++) {
    tsr_span rows = tsr_inside(oy, w->stride, w->pad_top, w->kernel, w->height);
    for (size_t ox = 0; ox < w->out_width; ox++) {
      tsr_span columns = tsr_inside(ox, w->stride, w->pad_left, w->kernel, w->width);
      for (size_t first = 0; first < channels; first += BLOCK) {
        const size_t count = channels - first < BLOCK ? channels - first : BLOCK;
        const size_t output = (oy * w->out_width + ox) * channels + first;
        float left[BLOCK];
        memcpy(left, dy + output, count * sizeof(float));
        for (size_t r = 0; r < rows.count; r++)
          for (size_t c = 0; c < columns.count; c++) {
            const size_t input =
                ((rows.first + r) * w->width + columns.first + c) * channels + first;
            const float *restrict in = x + input, *restrict largest = y + output;
            float *restrict gradient = dx + input;
            for (size_t i = 0; i < count; i++) {
              const float taken = in[i] == largest[i] ? left[i] : 0.0f;
              gradient[i] += taken;
              left[i] = in[i] == largest[i] ? 0.0f : left[i];
            }
          }
      }
    }
  }
}

// Keeps a length from being 0.
static const double LENGTH_FLOOR = 1e-10;

TSR_INLINE double length(const float *x, size_t n) {
  double sum = 0;
  for (size_t i = 0; i < n; i++) sum += (double)x[i] * (double)x[i];
  return sqrt(sum);
}

TSR_DISPATCH double tsr_unit_distance(const float *x, const float *y, const float *weights,
                                      size_t n) {
  TSR_REASSOCIATE
  const double a = 1 / (length(x, n) + LENGTH_FLOOR), b = 1 / (length(y, n) + LENGTH_FLOOR);
  double total = 0;
  for (size_t i = 0; i < n; i++) {
    const double difference = (double)x[i] * a - (double)y[i] * b;
    total += (double)weights[i] * difference * difference;
  }
  return total;
}

// With g = 2 w (u - v), m the length of x and e the floor: dx = g / (m + e) - x (g x) / (m (m + e)^2).
TSR_DISPATCH void tsr_unit_distance_gradient(float *dx, const float *x, const float *y,
                                             const float *weights, double scale, size_t n) {
  TSR_REASSOCIATE
  const double m = length(x, n);
  if (m == 0) {
    memset(dx, 0, n * sizeof(float));
    return;
  }
  const double a = 1 / (m + LENGTH_FLOOR), b = 1 / (length(y, n) + LENGTH_FLOOR);
  double along = 0;
  for (size_t i = 0; i < n; i++)
    along += 2 * scale * (double)weights[i] * ((double)x[i] * a - (double)y[i] * b) * (double)x[i];
  along *= a * a / m;
  for (size_t i = 0; i < n; i++) {
    const double outer = 2 * scale * (double)weights[i] * ((double)x[i] * a - (double)y[i] * b);
    dx[i] = (float)(outer * a - (double)x[i] * along);
  }
}
