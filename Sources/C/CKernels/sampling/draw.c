#include <math.h>

#include "SamplingKernels.h"
#include "dispatch.h"

TSR_DISPATCH static float largest_value(const float *x, size_t n, bool *has_nan) {
  // Running maxima side by side: comparisons of this form vectorise without relaxed NaN rules.
  float lanes[32];
  uint32_t bad = 0;
  for (size_t j = 0; j < 32; j++) lanes[j] = -INFINITY;
  size_t i = 0;
  for (; i + 32 <= n; i += 32)
    for (size_t j = 0; j < 32; j++) {
      lanes[j] = x[i + j] > lanes[j] ? x[i + j] : lanes[j];
      bad |= x[i + j] != x[i + j];
    }
  for (; i < n; i++) {
    lanes[0] = x[i] > lanes[0] ? x[i] : lanes[0];
    bad |= x[i] != x[i];
  }
  for (size_t j = 1; j < 32; j++) lanes[0] = lanes[j] > lanes[0] ? lanes[j] : lanes[0];
  *has_nan = bad != 0;
  return lanes[0];
}

size_t tsr_largest(const float *x, size_t n) {
  bool has_nan;
  float best = largest_value(x, n, &has_nan);
  if (has_nan) return n;
  size_t i = 0;
  while (i < n && x[i] != best) i++;
  return i;
}

TSR_DISPATCH void tsr_draw_weights(float *x, double *block_sums, float maximum, float factor,
                                   size_t n) {
  TSR_REASSOCIATE
  for (size_t start = 0; start < n; start += TSR_DRAW_BLOCK) {
    size_t end = start + TSR_DRAW_BLOCK < n ? start + TSR_DRAW_BLOCK : n;
    float sum = 0;
    for (size_t i = start; i < end; i++) {
      float e = tsr_exp1((x[i] - maximum) * factor);
      x[i] = e;
      sum += e;
    }
    block_sums[start / TSR_DRAW_BLOCK] = sum;
  }
}

enum { LEVELS = 3, BINS = 1 << 11 };

float tsr_draw_threshold(const float *weights, size_t n, double target, bool by_mass,
                         double *above) {
  // The bits of floats that are not negative are ordered as the floats are: the threshold's are found
  // eleven at a time (ten at last), in the bin where the measure, counted from above, reaches the target.
  static const int shifts[LEVELS] = {21, 10, 0};
  double bins[BINS];
  uint32_t prefix = 0, known = 0;
  *above = 0;
  for (int level = 0; level < LEVELS; level++) {
    memset(bins, 0, sizeof bins);
    uint32_t top = 0;
    for (size_t i = 0; i < n; i++) {
      uint32_t bits;
      memcpy(&bits, &weights[i], 4);
      if ((bits & known) != prefix) continue;
      uint32_t bin = (bits & ~known) >> shifts[level];
      bins[bin] += by_mass ? (double)weights[i] : 1.0;
      top = bin > top ? bin : top;
    }
    uint32_t bin = top, last = top;
    for (;; bin--) {
      if (bins[bin] > 0) {
        last = bin;
        if (*above + bins[bin] >= target) break;
        *above += bins[bin];
      }
      if (bin == 0) {
        // Rounding may leave the sum of all just short of the target: then all are kept.
        *above -= bins[last];
        break;
      }
    }
    prefix |= last << shifts[level];
    known = ~((1u << shifts[level]) - 1u);
  }
  float threshold;
  memcpy(&threshold, &prefix, 4);
  return threshold;
}
