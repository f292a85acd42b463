#include <math.h>

#include "SamplingKernels.h"
#include "dispatch.h"

// A cache is float or bfloat16; `wide` is a constant at each call.
TSR_INLINE float cached(const void *cache, bool wide, size_t index) {
  return wide ? ((const float *)cache)[index]
              : tsr_bfloat16_value(((const uint16_t *)cache)[index]);
}

TSR_INLINE size_t key_place(size_t position, size_t channel, size_t size) {
  return (position / TSR_KEY_BLOCK * size + channel) * TSR_KEY_BLOCK + position % TSR_KEY_BLOCK;
}

void tsr_cache_store(float *keys, float *values, const float *key, const float *value,
                     size_t position, size_t size) {
  for (size_t i = 0; i < size; i++) keys[key_place(position, i, size)] = key[i];
  memcpy(values + position * size, value, size * sizeof(float));
}

void tsr_cache_store_bfloat16(uint16_t *keys, uint16_t *values, const float *key,
                              const float *value, size_t position, size_t size) {
  for (size_t i = 0; i < size; i++) keys[key_place(position, i, size)] = tsr_bfloat16_of(key[i]);
  for (size_t i = 0; i < size; i++) values[position * size + i] = tsr_bfloat16_of(value[i]);
}

// Even and odd channels are summed apart, so that the sums do not wait for each other.
TSR_INLINE void block_scores(float *scores, const float *query, const void *keys, bool wide,
                             float scale, size_t start, size_t size) {
  float even[TSR_KEY_BLOCK] = {0}, odd[TSR_KEY_BLOCK] = {0};
  size_t i = 0;
  for (; i + 2 <= size; i += 2) {
    float a = query[i], b = query[i + 1];
    for (size_t j = 0; j < TSR_KEY_BLOCK; j++)
      even[j] += a * cached(keys, wide, start + i * TSR_KEY_BLOCK + j);
    for (size_t j = 0; j < TSR_KEY_BLOCK; j++)
      odd[j] += b * cached(keys, wide, start + (i + 1) * TSR_KEY_BLOCK + j);
  }
  for (; i < size; i++)
    for (size_t j = 0; j < TSR_KEY_BLOCK; j++)
      even[j] += query[i] * cached(keys, wide, start + i * TSR_KEY_BLOCK + j);
  for (size_t j = 0; j < TSR_KEY_BLOCK; j++) scores[j] = (even[j] + odd[j]) * scale;
}

// Weighted sum of `width` channels from `first`; even and odd positions apart, as above.
TSR_INLINE void channel_sums(float *out, const float *weights, const void *values, bool wide,
                             float inverse, size_t count, size_t size, size_t first, size_t width) {
  float even[32] = {0}, odd[32] = {0};
  size_t t = 0;
  for (; t + 2 <= count; t += 2) {
    float a = weights[t], b = weights[t + 1];
    for (size_t j = 0; j < width; j++) even[j] += a * cached(values, wide, t * size + first + j);
    for (size_t j = 0; j < width; j++)
      odd[j] += b * cached(values, wide, (t + 1) * size + first + j);
  }
  for (; t < count; t++)
    for (size_t j = 0; j < width; j++)
      even[j] += weights[t] * cached(values, wide, t * size + first + j);
  for (size_t j = 0; j < width; j++) out[first + j] = (even[j] + odd[j]) * inverse;
}

TSR_INLINE void attend(float *out, float *weights, const float *query, const void *keys,
                       const void *values, bool wide, float scale, size_t count, size_t size) {
  for (size_t t = 0; t < count; t += TSR_KEY_BLOCK)
    block_scores(weights + t, query, keys, wide, scale, t * size, size);
  float maximum = -INFINITY, sum = 0;
  for (size_t t = 0; t < count; t++) maximum = weights[t] > maximum ? weights[t] : maximum;
  for (size_t t = 0; t < count; t++) weights[t] = tsr_exp1(weights[t] - maximum);
  for (size_t t = 0; t < count; t++) sum += weights[t];
  size_t first = 0;
  for (; first + 32 <= size; first += 32)
    channel_sums(out, weights, values, wide, 1.0f / sum, count, size, first, 32);
  if (first < size)
    channel_sums(out, weights, values, wide, 1.0f / sum, count, size, first, size - first);
}

TSR_DISPATCH void tsr_cache_attend(float *out, float *weights, const float *query,
                                   const float *keys, const float *values, float scale,
                                   size_t count, size_t size) {
  TSR_REASSOCIATE
  attend(out, weights, query, keys, values, true, scale, count, size);
}

TSR_DISPATCH void tsr_cache_attend_bfloat16(float *out, float *weights, const float *query,
                                            const uint16_t *keys, const uint16_t *values,
                                            float scale, size_t count, size_t size) {
  TSR_REASSOCIATE
  attend(out, weights, query, keys, values, false, scale, count, size);
}
