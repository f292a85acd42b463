// Attention over cached keys and values, and the drawing of tokens.
#include "check.h"

static void check_stores(size_t count, size_t size) {
  size_t cached = (count + TSR_KEY_BLOCK - 1) / TSR_KEY_BLOCK * TSR_KEY_BLOCK * size;
  begin("tsr_cache_store", "%zu positions of %zu", count, size);
  float *keys = floats(cached), *slow_keys = floats(cached);
  float *values = floats(count * size), *slow_values = floats(count * size);
  for (size_t t = 0; t < count; t++) {
    float key[size], value[size];
    for (size_t i = 0; i < size; i++) key[i] = normal(), value[i] = normal();
    tsr_cache_store(keys, values, key, value, t, size);
    plain_tsr_cache_store(slow_keys, slow_values, key, value, t, size);
  }
  equal_floats("keys", keys, slow_keys, cached);
  equal_floats("values", values, slow_values, count * size);

  begin("tsr_cache_store_bfloat16", "%zu positions of %zu", count, size);
  uint16_t *halves = room(2 * cached), *slow_halves = room(2 * cached);
  uint16_t *half_values = room(2 * count * size), *slow_half_values = room(2 * count * size);
  for (size_t t = 0; t < count; t++) {
    float key[size], value[size];
    for (size_t i = 0; i < size; i++) key[i] = normal(), value[i] = normal();
    tsr_cache_store_bfloat16(halves, half_values, key, value, t, size);
    plain_tsr_cache_store_bfloat16(slow_halves, slow_half_values, key, value, t, size);
  }
  equal("keys", halves, slow_halves, 2 * cached);
  equal("values", half_values, slow_half_values, 2 * count * size);
}

static void check_attend(size_t count, size_t size, bool bfloat16) {
  begin(bfloat16 ? "tsr_cache_attend_bfloat16" : "tsr_cache_attend", "%zu positions of %zu", count,
        size);
  size_t blocks = (count + TSR_KEY_BLOCK - 1) / TSR_KEY_BLOCK, cached = blocks * TSR_KEY_BLOCK;
  float scale = 1 / sqrtf((float)size), largest = 0;
  const float *query = normals(size), *k = normals(count * size), *v = normals(count * size);
  for (size_t t = 0; t < count; t++) {
    float sum = 0;
    for (size_t i = 0; i < size; i++) sum += fabsf(query[i] * k[t * size + i]) * scale;
    largest = sum > largest ? sum : largest;
  }
  float *out = floats(size), *expected = floats(size), *magnitude = floats(size);
  float *weights = floats(cached), *slow_weights = floats(cached);
  const float *sizes = absolute(v, count * size);
  if (bfloat16) {
    uint16_t *keys = room(2 * cached * size), *values = room(2 * count * size),
             *value_sizes = room(2 * count * size);
    for (size_t t = 0; t < count; t++) {
      plain_tsr_cache_store_bfloat16(keys, value_sizes, k + t * size, sizes + t * size, t, size);
      plain_tsr_cache_store_bfloat16(keys, values, k + t * size, v + t * size, t, size);
    }
    plain_tsr_cache_attend_bfloat16(magnitude, slow_weights, query, keys, value_sizes, scale, count,
                                    size);
    plain_tsr_cache_attend_bfloat16(expected, slow_weights, query, keys, values, scale, count,
                                    size);
    tsr_cache_attend_bfloat16(out, weights, query, keys, values, scale, count, size);
  } else {
    float *keys = floats(cached * size), *values = floats(count * size),
          *value_sizes = floats(count * size);
    for (size_t t = 0; t < count; t++) {
      plain_tsr_cache_store(keys, value_sizes, k + t * size, sizes + t * size, t, size);
      plain_tsr_cache_store(keys, values, k + t * size, v + t * size, t, size);
    }
    plain_tsr_cache_attend(magnitude, slow_weights, query, keys, value_sizes, scale, count, size);
    plain_tsr_cache_attend(expected, slow_weights, query, keys, values, scale, count, size);
    tsr_cache_attend(out, weights, query, keys, values, scale, count, size);
  }
  near("out", out, expected, magnitude, 2 * (double)(size + 2) * largest + 2 * (double)count + 40,
       size);
}

void check_attention(void) {
  static const size_t counts[] = {1, 2, 17, 31, 32, 33, 64, 100},
                      sizes[] = {1, 3, 4, 16, 20, 32, 63, 64, 100};
  for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
    for (size_t j = 0; j < sizeof sizes / sizeof *sizes; j++) {
      check_stores(counts[i], sizes[j]);
      check_attend(counts[i], sizes[j], false);
      check_attend(counts[i], sizes[j], true);
    }
}

static void check_largest(size_t n) {
  for (int kind = 0; kind < 3; kind++) {
    begin("tsr_largest", "%zu, %s", n,
          kind == 0   ? "distinct"
          : kind == 1 ? "with equals"
                      : "with NaN");
    float *x = kind == 0 ? normals(n) : whole_numbers(n);
    if (kind == 2) x[random_word() % n] = NAN;
    equal_numbers("place", (double)tsr_largest(x, n), (double)plain_tsr_largest(x, n));
  }
}

static void check_draw_weights(size_t n) {
  begin("tsr_draw_weights", "%zu", n);
  size_t blocks = (n + TSR_DRAW_BLOCK - 1) / TSR_DRAW_BLOCK;
  float *y = normals(n), *expected = copy(y, n);
  double *sums = doubles(blocks), *slow_sums = doubles(blocks);
  float maximum = y[plain_tsr_largest(y, n)];
  tsr_draw_weights(y, sums, maximum, 1.7f, n);
  plain_tsr_draw_weights(expected, slow_sums, maximum, 1.7f, n);
  near("weights", y, expected, expected, 80, n);
  near_doubles("sums", sums, slow_sums, slow_sums, 80 + TSR_DRAW_BLOCK, blocks);

  begin("tsr_race", "%zu", n);
  uint32_t *words = room(4 * n);
  for (size_t i = 0; i < n; i++) words[i] = i == 0 ? 0 : i == 1 ? 0xffffffffu : random_word();
  y = absolute(normals(n), n), expected = copy(y, n);
  BOTH(tsr_race, y, expected, words, n);
  near("results", y, expected, expected, 16, n);
}

static void check_threshold(size_t n, bool by_mass) {
  begin("tsr_draw_threshold", "%zu, %s", n, by_mass ? "by mass" : "by count");
  float *weights = normals(n);
  double whole = 0, above, slow_above;
  for (size_t i = 0; i < n; i++) whole += weights[i] = expf(3 * weights[i]);
  double target = by_mass ? 0.37 * whole : (double)((n + 1) / 2);
  float threshold = tsr_draw_threshold(weights, n, target, by_mass, &above);
  equal_numbers("threshold", threshold,
                plain_tsr_draw_threshold(weights, n, target, by_mass, &slow_above));
  equal_numbers("above", above, slow_above);
}

void check_draws(void) {
  static const size_t lengths[] = {1, 2, 3, 7, 16, 31, 32, 33, 63, 64, 65, 100, 300, 1000};
  for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
    check_largest(lengths[i]);
    check_draw_weights(lengths[i]);
    check_threshold(lengths[i], false);
    check_threshold(lengths[i], true);
  }
}
