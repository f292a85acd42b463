#include "CKernels.h"
#include "dispatch.h"
#include "window_span.h"

TSR_DISPATCH void tsr_clamp_positive(float *y, float upper, size_t n) {
  for (size_t i = 0; i < n; i++) {
    float v = y[i] > 0.0f ? y[i] : 0.0f;
    y[i] = v < upper ? v : upper;
  }
}

TSR_DISPATCH void tsr_max_pool(float *y, const float *x, const tsr_window *w, size_t first_row,
                               size_t last_row) {
  const size_t channels = w->channels;
  for (size_t oy = first_row; oy < last_row; oy++) {
    tsr_span rows = tsr_inside(oy, w->stride, w->pad_top, w->kernel, w->height);
    for (size_t ox = 0; ox < w->out_width; ox++) {
      tsr_span columns = tsr_inside(ox, w->stride, w->pad_left, w->kernel, w->width);
      float *restrict out = y + (oy * w->out_width + ox) * channels;
      for (size_t r = 0; r < rows.count; r++)
        for (size_t c = 0; c < columns.count; c++) {
          const float *in = x + ((rows.first + r) * w->width + columns.first + c) * channels;
          if (r + c == 0)
            memcpy(out, in, channels * sizeof(float));
          else
            for (size_t i = 0; i < channels; i++) out[i] = in[i] > out[i] ? in[i] : out[i];
        }
    }
  }
}

TSR_DISPATCH void tsr_average_pool(float *y, const float *x, const tsr_window *w, size_t first_row,
                                   size_t last_row) {
  const size_t channels = w->channels;
  for (size_t oy = first_row; oy < last_row; oy++) {
    tsr_span rows = tsr_inside(oy, w->stride, w->pad_top, w->kernel, w->height);
    for (size_t ox = 0; ox < w->out_width; ox++) {
      tsr_span columns = tsr_inside(ox, w->stride, w->pad_left, w->kernel, w->width);
      float *restrict out = y + (oy * w->out_width + ox) * channels;
      memset(out, 0, channels * sizeof(float));
      for (size_t r = 0; r < rows.count; r++)
        for (size_t c = 0; c < columns.count; c++) {
          const float *in = x + ((rows.first + r) * w->width + columns.first + c) * channels;
          for (size_t i = 0; i < channels; i++) out[i] += in[i];
        }
      const float share = 1.0f / (float)(rows.count * columns.count);
      for (size_t i = 0; i < channels; i++) out[i] *= share;
    }
  }
}

TSR_DISPATCH void tsr_depthwise(float *y, const float *x, const float *weight, const float *bias,
                                const tsr_window *w, float upper, size_t first_row,
                                size_t last_row) {
  TSR_REASSOCIATE
  const size_t channels = w->channels;
  for (size_t oy = first_row; oy < last_row; oy++) {
    tsr_span rows = tsr_inside(oy, w->stride, w->pad_top, w->kernel, w->height);
    for (size_t ox = 0; ox < w->out_width; ox++) {
      tsr_span columns = tsr_inside(ox, w->stride, w->pad_left, w->kernel, w->width);
      float *restrict out = y + (oy * w->out_width + ox) * channels;
      memcpy(out, bias, channels * sizeof(float));
      for (size_t r = 0; r < rows.count; r++)
        for (size_t c = 0; c < columns.count; c++) {
          const float *in = x + ((rows.first + r) * w->width + columns.first + c) * channels;
          const float *k =
              weight + ((rows.kernel_first + r) * w->kernel + columns.kernel_first + c) * channels;
          for (size_t i = 0; i < channels; i++) out[i] += in[i] * k[i];
        }
      tsr_clamp_positive(out, upper, channels);
    }
  }
}

TSR_DISPATCH void tsr_column_means(float *means, const float *x, size_t rows, size_t channels) {
  enum { BLOCK = 64 };
  for (size_t first = 0; first < channels; first += BLOCK) {
    const size_t count = channels - first < BLOCK ? channels - first : BLOCK;
    double sums[BLOCK] = {0};
    for (size_t r = 0; r < rows; r++)
      for (size_t i = 0; i < count; i++) sums[i] += x[r * channels + first + i];
    for (size_t i = 0; i < count; i++) means[first + i] = (float)(sums[i] / (double)rows);
  }
}
