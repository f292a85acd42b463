#include "CodebookKernels.h"
#include "dispatch.h"

typedef float lanes __attribute__((ext_vector_type(TSR_CODE_PANEL)));
typedef double wide_lanes __attribute__((ext_vector_type(TSR_CODE_PANEL)));
typedef int32_t lane_codes __attribute__((ext_vector_type(TSR_CODE_PANEL)));

// Four rows share each load of a panel and give the processor four independent chains of sums.
enum { ROWS = 4 };

void tsr_pack_codes(float *panels, const float *codes, size_t n, size_t d) {
  for (size_t first = 0; first < n; first += TSR_CODE_PANEL)
    for (size_t k = 0; k < d; k++)
      for (size_t j = 0; j < TSR_CODE_PANEL; j++)
        *panels++ = first + j < n ? codes[(first + j) * d + k] : 0.0f;
}

TSR_INLINE void nearest_of_lanes(uint32_t *index, float *value, const lanes *best,
                                 const lane_codes *where, uint32_t first_code) {
  size_t lane = 0;
  for (size_t j = 1; j < TSR_CODE_PANEL; j++)
    if ((*best)[j] < (*best)[lane] || ((*best)[j] == (*best)[lane] && (*where)[j] < (*where)[lane]))
      lane = j;
  if ((*best)[lane] < *value) {
    *value = (*best)[lane];
    *index = first_code + (uint32_t)(*where)[lane];
  }
}

TSR_INLINE void nearest_of_rows(uint32_t *index, float *value, const float *x, const float *panels,
                                const float *offset, size_t rows, size_t d, size_t panel_count,
                                uint32_t first_code) {
  lanes best[ROWS];
  lane_codes where[ROWS];
  for (size_t r = 0; r < rows; r++) best[r] = (lanes)(__builtin_inff()), where[r] = (lane_codes)(0);
  lane_codes codes = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  for (size_t p = 0; p < panel_count; p++, codes += TSR_CODE_PANEL) {
    lanes sum[ROWS], code;
    memcpy(&code, offset + p * TSR_CODE_PANEL, sizeof code);
    for (size_t r = 0; r < rows; r++) sum[r] = code;
    for (size_t k = 0; k < d; k++) {
      memcpy(&code, panels + (p * d + k) * TSR_CODE_PANEL, sizeof code);
      for (size_t r = 0; r < rows; r++) {
        lanes difference = code - x[r * d + k];
        sum[r] += difference * difference;
      }
    }
    for (size_t r = 0; r < rows; r++) {
      where[r] = sum[r] < best[r] ? codes : where[r];
      best[r] = sum[r] < best[r] ? sum[r] : best[r];
    }
  }
  for (size_t r = 0; r < rows; r++)
    nearest_of_lanes(index + r, value + r, best + r, where + r, first_code);
}

TSR_DISPATCH void tsr_nearest_code(uint32_t *index, float *value, const float *x,
                                   const float *panels, const float *offset, size_t rows, size_t d,
                                   size_t panel_count, uint32_t first_code) {
  size_t r = 0;
  for (; r + ROWS <= rows; r += ROWS)
    nearest_of_rows(index + r, value + r, x + r * d, panels, offset, ROWS, d, panel_count,
                    first_code);
  for (; r < rows; r++)
    nearest_of_rows(index + r, value + r, x + r * d, panels, offset, 1, d, panel_count, first_code);
}

TSR_DISPATCH double tsr_closer_to_row(float *closer, const float *closest, const float *x,
                                      const float *panels, size_t d, size_t panel_count) {
  wide_lanes sums = (wide_lanes)(0);
  for (size_t p = 0; p < panel_count; p++) {
    lanes sum = (lanes)(0.0f), code, before;
    for (size_t k = 0; k < d; k++) {
      memcpy(&code, panels + (p * d + k) * TSR_CODE_PANEL, sizeof code);
      lanes difference = code - x[k];
      sum += difference * difference;
    }
    memcpy(&before, closest + p * TSR_CODE_PANEL, sizeof before);
    sum = sum < before ? sum : before;
    memcpy(closer + p * TSR_CODE_PANEL, &sum, sizeof sum);
    sums += __builtin_convertvector(sum, wide_lanes);
  }
  double total = 0;
  for (size_t j = 0; j < TSR_CODE_PANEL; j++) total += sums[j];
  return total;
}
