#include <math.h>

#include "CKernels.h"
#include "dispatch.h"

TSR_DISPATCH void tsr_attend_one(float *out, float *weights, const float *query, const float *keys,
                                 const float *values, float scale, size_t count, size_t size) {
  TSR_REASSOCIATE
  float maximum = -INFINITY;
  for (size_t t = 0; t < count; t++) {
    const float *restrict key = keys + t * size;
    float dot = 0;
    for (size_t i = 0; i < size; i++) dot += query[i] * key[i];
    weights[t] = dot * scale;
    maximum = weights[t] > maximum ? weights[t] : maximum;
  }
  float sum = 0;
  for (size_t t = 0; t < count; t++) {
    weights[t] = tsr_exp1(weights[t] - maximum);
    sum += weights[t];
  }
  float inverse = 1.0f / sum;
  memset(out, 0, size * sizeof(float));
  for (size_t t = 0; t < count; t++) {
    const float *restrict value = values + t * size;
    float *restrict y = out;
    float weight = weights[t] * inverse;
    for (size_t i = 0; i < size; i++) y[i] += weight * value[i];
  }
}
