#include <math.h>

#include "CKernels.h"
#include "dispatch.h"

TSR_DISPATCH void tsr_nearest(uint32_t *index, float *value, const float *scores,
                              const float *offset, size_t rows, size_t n) {
  for (size_t r = 0; r < rows; r++) {
    const float *row = scores + r * n;
    float best[16];
    uint32_t where[16];
    for (uint32_t j = 0; j < 16; j++) best[j] = INFINITY, where[j] = UINT32_MAX;
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
      for (size_t j = 0; j < 16; j++) {
        float d = offset[i + j] - 2.0f * row[i + j];
        where[j] = d < best[j] ? (uint32_t)(i + j) : where[j];
        best[j] = d < best[j] ? d : best[j];
      }
    for (; i < n; i++) {
      float d = offset[i] - 2.0f * row[i];
      if (d < best[0]) best[0] = d, where[0] = (uint32_t)i;
    }
    size_t lane = 0;
    for (size_t j = 1; j < 16; j++)
      if (best[j] < best[lane] || (best[j] == best[lane] && where[j] < where[lane])) lane = j;
    index[r] = where[lane] == UINT32_MAX ? 0 : where[lane];
    value[r] = best[lane];
  }
}
