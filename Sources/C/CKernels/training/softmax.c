#include <math.h>

#include "CKernels.h"
#include "dispatch.h"

TSR_INLINE float row_maximum(const float *x, size_t n) {
  // Sixteen running maxima: comparisons of this form vectorise without relaxed NaN rules.
  float lanes[16];
  for (size_t j = 0; j < 16; j++) lanes[j] = -INFINITY;
  size_t i = 0;
  for (; i + 16 <= n; i += 16)
    for (size_t j = 0; j < 16; j++) lanes[j] = x[i + j] > lanes[j] ? x[i + j] : lanes[j];
  float best = -INFINITY;
  for (; i < n; i++) best = x[i] > best ? x[i] : best;
  for (size_t j = 0; j < 16; j++) best = lanes[j] > best ? lanes[j] : best;
  return best;
}

TSR_INLINE float sum_exponentials(const float *x, float maximum, size_t n) {
  TSR_REASSOCIATE
  float sum = 0;
  for (size_t i = 0; i < n; i++) sum += tsr_exp1(x[i] - maximum);
  return sum;
}

TSR_DISPATCH double tsr_exponentials_row(float *weights, float *maximum, const float *logits,
                                         size_t n) {
  float best = row_maximum(logits, n);
  *maximum = best;
  for (size_t i = 0; i < n; i++) weights[i] = tsr_exp1(logits[i] - best);
  // Sixteen sums, in this order on every processor.
  double lanes[16] = {0};
  size_t i = 0;
  for (; i + 16 <= n; i += 16)
    for (size_t j = 0; j < 16; j++) lanes[j] += (double)weights[i + j];
  for (size_t j = 0; i < n; i++, j++) lanes[j] += (double)weights[i];
  double sum = 0;
  for (size_t j = 0; j < 16; j++) sum += lanes[j];
  return sum;
}

TSR_DISPATCH size_t tsr_count_above(const float *x, float value, size_t n) {
  size_t count = 0;
  // Counts of 32 bits vectorise in the width of the numbers.
  for (size_t begin = 0; begin < n; begin += 1 << 20) {
    size_t end = begin + (1 << 20) < n ? begin + (1 << 20) : n;
    uint32_t part = 0;
    for (size_t i = begin; i < end; i++) part += x[i] > value ? 1 : 0;
    count += part;
  }
  return count;
}

TSR_DISPATCH float tsr_softmax_row(float *row, const uint8_t *mask, float scale, size_t visible,
                                   size_t n) {
  TSR_REASSOCIATE
  if (mask)
    for (size_t i = 0; i < visible; i++) row[i] = mask[i] ? row[i] : -INFINITY;
  float maximum = row_maximum(row, visible);
  if (maximum == -INFINITY) {
    memset(row, 0, n * sizeof(float));
    return -INFINITY;
  }
  float sum = 0;
  for (size_t i = 0; i < visible; i++) {
    float e = tsr_exp1((row[i] - maximum) * scale);
    row[i] = e;
    sum += e;
  }
  float inverse = 1.0f / sum;
  for (size_t i = 0; i < visible; i++) row[i] *= inverse;
  // exp1 clamps its argument, so a hidden entry must be set to zero, not computed.
  if (mask)
    for (size_t i = 0; i < visible; i++) row[i] = mask[i] ? row[i] : 0.0f;
  memset(row + visible, 0, (n - visible) * sizeof(float));
  return maximum * scale + logf(sum);
}

TSR_DISPATCH void tsr_softmax_backward_row(float *d_p, const float *p, float scale, size_t n) {
  TSR_REASSOCIATE
  float dot = 0;
  for (size_t i = 0; i < n; i++) dot += d_p[i] * p[i];
  for (size_t i = 0; i < n; i++) d_p[i] = p[i] * (d_p[i] - dot) * scale;
}

TSR_DISPATCH void tsr_cross_entropy_row(float *losses, float *gradient, const float *logits,
                                        size_t n, size_t target, float smoothing,
                                        size_t cluster_size, float cluster_weight, float scale) {
  TSR_REASSOCIATE
  float maximum = row_maximum(logits, n);
  float log_sum = maximum + logf(sum_exponentials(logits, maximum, n));
  losses[0] = log_sum - logits[target];
  if (smoothing > 0) {
    float mean = 0;
    for (size_t i = 0; i < n; i++) mean += logits[i];
    losses[0] = log_sum - (1.0f - smoothing) * logits[target] - smoothing * mean / (float)n;
  }

  size_t first = cluster_size ? target / cluster_size * cluster_size : 0;
  float cluster_log_sum = 0;
  losses[1] = 0;
  if (cluster_size) {
    float cluster_maximum = row_maximum(logits + first, cluster_size);
    cluster_log_sum =
        cluster_maximum + logf(sum_exponentials(logits + first, cluster_maximum, cluster_size));
    losses[1] = log_sum - cluster_log_sum;
  }
  if (!gradient) return;

  float both = scale * (1.0f + (cluster_size ? cluster_weight : 0.0f));
  float uniform = scale * smoothing / (float)n;
  float cluster_scale = scale * cluster_weight;
  TSR_ELEMENTWISE
  for (size_t i = 0; i < first; i++) gradient[i] = both * tsr_exp1(logits[i] - log_sum) - uniform;
  TSR_ELEMENTWISE
  for (size_t i = first; i < first + cluster_size; i++)
    gradient[i] = both * tsr_exp1(logits[i] - log_sum) -
                  cluster_scale * tsr_exp1(logits[i] - cluster_log_sum) - uniform;
  TSR_ELEMENTWISE
  for (size_t i = first + cluster_size; i < n; i++)
    gradient[i] = both * tsr_exp1(logits[i] - log_sum) - uniform;
  gradient[target] -= scale * (1.0f - smoothing);
}
