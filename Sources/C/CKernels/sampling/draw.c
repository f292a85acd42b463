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

// -log(1 - v) of v = (w + 0.5) / 2^31 with the word's upper 31 bits w, to float's relative accuracy also for
// small v: log(y) of the rounded y = 1 - v, times v / (1 - y), which corrects the rounding (Kahan).
TSR_INLINE float exponential_of(uint32_t word) {
  float v = ((float)(int32_t)(word >> 1) + 0.5f) * 0x1p-31f;
  // From the complement, so that it is accurate too where it is small.
  float y = ((float)(int32_t)(~word >> 1) + 0.5f) * 0x1p-31f;
  int32_t bits;
  memcpy(&bits, &y, 4);
  int32_t exponent =
      (bits - 0x3f3504f3) >> 23;  // of y / sqrt(1/2), so that the fraction is around 1
  bits -= (int32_t)((uint32_t)exponent << 23);
  float fraction;
  memcpy(&fraction, &bits, 4);
  float f = fraction - 1.0f, square = f * f;
  // log(1 + f) = f - f^2/2 + f^3 p(f) on sqrt(1/2) - 1 ... sqrt(2) - 1 (Cephes).
  float p = 7.0376836292e-2f;
  p = p * f - 1.1514610310e-1f;
  p = p * f + 1.1676998740e-1f;
  p = p * f - 1.2420140846e-1f;
  p = p * f + 1.4249322787e-1f;
  p = p * f - 1.6668057665e-1f;
  p = p * f + 2.0000714765e-1f;
  p = p * f - 2.4999993993e-1f;
  p = p * f + 3.3333331174e-1f;
  float logarithm = f + (p * f * square - 0.5f * square) + (float)exponent * 0.693147180559945f;
  float gap = 1.0f - y;
  return gap > 0.0f ? -logarithm * (v / gap) : v;
}

TSR_DISPATCH void tsr_race(float *x, const uint32_t *words, size_t n) {
  for (size_t i = 0; i < n; i++) x[i] /= exponential_of(words[i]);
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
