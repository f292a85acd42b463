#include "CKernels.h"
#include "dispatch.h"

void tsr_pack_panels(float *packed, const float *weight, size_t n, size_t k) {
  size_t panels = (n + TSR_PANEL - 1) / TSR_PANEL;
  for (size_t p = 0; p < panels; p++)
    for (size_t i = 0; i < k; i++)
      for (size_t j = 0; j < TSR_PANEL; j++) {
        size_t output = p * TSR_PANEL + j;
        packed[(p * k + i) * TSR_PANEL + j] = output < n ? weight[output * k + i] : 0.0f;
      }
}

// `count` is a constant at each call, so that the sums stay in registers.
TSR_INLINE void panel_rows(float *y, size_t stride, const float *x, const float *panel,
                           size_t count, size_t width, size_t k, bool adding) {
  float sums[6][TSR_PANEL];
  for (size_t r = 0; r < count; r++)
    for (size_t j = 0; j < TSR_PANEL; j++) sums[r][j] = 0;
  for (size_t i = 0; i < k; i++) {
    const float *restrict w = panel + i * TSR_PANEL;
    for (size_t r = 0; r < count; r++) {
      float value = x[r * k + i];
      for (size_t j = 0; j < TSR_PANEL; j++) sums[r][j] += value * w[j];
    }
  }
  for (size_t r = 0; r < count; r++)
    for (size_t j = 0; j < width; j++)
      y[r * stride + j] = adding ? y[r * stride + j] + sums[r][j] : sums[r][j];
}

TSR_DISPATCH void tsr_packed_linear(float *y, size_t stride, const float *x, const float *packed,
                                    size_t rows, size_t n, size_t k, size_t first_panel,
                                    size_t last_panel, bool adding) {
#pragma clang fp contract(fast)
  for (size_t p = first_panel; p < last_panel; p++) {
    const float *panel = packed + p * k * TSR_PANEL;
    size_t width = n - p * TSR_PANEL < TSR_PANEL ? n - p * TSR_PANEL : TSR_PANEL;
    float *out = y + p * TSR_PANEL;
    size_t r = 0;
    for (; r + 6 <= rows; r += 6)
      panel_rows(out + r * stride, stride, x + r * k, panel, 6, width, k, adding);
    for (; r + 2 <= rows; r += 2)
      panel_rows(out + r * stride, stride, x + r * k, panel, 2, width, k, adding);
    for (; r < rows; r++)
      panel_rows(out + r * stride, stride, x + r * k, panel, 1, width, k, adding);
  }
}
