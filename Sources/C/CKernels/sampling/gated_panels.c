#include "SamplingKernels.h"
#include "dispatch.h"

TSR_DISPATCH void tsr_swiglu_panels(float *y, const float *both, size_t rows, size_t h,
                                    size_t first, size_t last) {
  size_t padded = (h + TSR_PANEL - 1) / TSR_PANEL * TSR_PANEL;
  for (size_t r = 0; r < rows; r++)
    for (size_t p = first; p < last; p++) {
      const float *restrict gate = both + 2 * (r * padded + p * TSR_PANEL), *restrict up =
                                                                                gate + TSR_PANEL;
      float *restrict out = y + r * h + p * TSR_PANEL;
      size_t width = h - p * TSR_PANEL < TSR_PANEL ? h - p * TSR_PANEL : TSR_PANEL;
      for (size_t j = 0; j < width; j++) out[j] = gate[j] * tsr_sigmoid1(gate[j]) * up[j];
    }
}
