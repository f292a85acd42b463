// Patches and pooling of images, code vectors, and random numbers.
#include "check.h"

static void check_philox(size_t blocks) {
  begin("tsr_philox", "%zu blocks", blocks);
  uint32_t *y = room(16 * blocks), *expected = room(16 * blocks);
  uint32_t key = random_word();
  // The first counter overflows on the way.
  BOTH(tsr_philox, y, expected, key, 2, 0xfffffff0u, 3, 4, 5, blocks);
  equal("words", y, expected, 16 * blocks);
}

static void check_known_philox(void) {
  begin("tsr_philox", "known answer");
  uint32_t y[4], expected[4] = {0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u};
  tsr_philox(y, 0, 0, 0, 0, 0, 0, 1);
  equal("words", y, expected, sizeof y);
}

static void check_dropout(size_t n, bool residual, bool masked) {
  begin("tsr_dropout_add", "%zu, residual %d, mask %d", n, residual, masked);
  const float *x = normals(n), *sum = residual ? normals(n) : NULL;
  uint32_t *words = room(4 * n);
  for (size_t i = 0; i < n; i++) words[i] = random_word();
  float *y = floats(n), *expected = floats(n), *magnitude = floats(n);
  uint8_t *mask = masked ? room(n) : NULL, *slow_mask = masked ? room(n) : NULL;
  for (size_t i = 0; i < n; i++) magnitude[i] = fabsf(x[i]) * 1.25f + (sum ? fabsf(sum[i]) : 0);
  tsr_dropout_add(y, mask, sum, x, words, 0xccccccccu, 1.25f, n);
  plain_tsr_dropout_add(expected, slow_mask, sum, x, words, 0xccccccccu, 1.25f, n);
  near("y", y, expected, magnitude, 2, n);
  if (mask) equal("mask", mask, slow_mask, n);

  begin("tsr_dropout_backward", "%zu", n);
  x = normals(n), mask = room(n), y = floats(n), expected = floats(n);
  for (size_t i = 0; i < n; i++) mask[i] = random_word() % 2;
  BOTH(tsr_dropout_backward, y, expected, x, mask, 1.25f, n);
  equal_floats("dx", y, expected, n);
}

void check_random(void) {
  check_known_philox();
  static const size_t lengths[] = {1, 2, 3, 4, 5, 8, 15, 16, 17, 33, 100, 257};
  for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
    check_philox(lengths[i]);
    for (int k = 0; k < 4; k++) check_dropout(lengths[i], k & 1, k & 2);
  }
}

static void check_patches(size_t height, size_t width, size_t channels, size_t kernel,
                          size_t stride) {
  size_t pad = kernel / 2, out_height = (height + 2 * pad - kernel) / stride + 1;
  size_t out_width = (width + 2 * pad - kernel) / stride + 1, pixels = height * width * channels;
  size_t columns = out_height * out_width * kernel * (kernel + 1) * channels;
  begin("tsr_patches", "%zu x %zu x %zu, kernel %zu, stride %zu", height, width, channels, kernel,
        stride);
  const float *image = normals(pixels);
  float *y = floats(columns), *expected = floats(columns);
  BOTH(tsr_patches, y, expected, image, height, width, channels, kernel, kernel + 1, stride, pad,
       pad, 0, out_height, out_width);
  equal_floats("columns", y, expected, columns);

  begin("tsr_add_patches", "%zu x %zu x %zu, kernel %zu, stride %zu", height, width, channels,
        kernel, stride);
  const float *in = normals(columns);
  y = normals(pixels), expected = copy(y, pixels);
  BOTH(tsr_add_patches, y, expected, in, height, width, channels, kernel, kernel + 1, stride, pad,
       pad, 0, out_height, out_width);
  equal_floats("image", y, expected, pixels);
}

static void check_windows(size_t side, size_t channels, size_t kernel, size_t stride) {
  size_t pad = kernel / 2, out = (side + 2 * pad - kernel) / stride + 1,
         count = out * out * channels;
  tsr_window w = {side, side, channels, kernel, stride, pad, pad, out};
  begin("tsr_max_pool", "%zu x %zu x %zu, kernel %zu, stride %zu", side, side, channels, kernel,
        stride);
  const float *x = normals(side * side * channels);
  float *y = floats(count), *expected = floats(count);
  BOTH(tsr_max_pool, y, expected, x, &w, 0, out);
  equal_floats("y", y, expected, count);

  begin("tsr_max_pool_backward", "%zu x %zu x %zu, kernel %zu, stride %zu", side, side, channels,
        kernel, stride);
  const float *dy = normals(count);
  float *dx = floats(side * side * channels), *expected_dx = floats(side * side * channels);
  memset(dx, 0, side * side * channels * sizeof(float));
  memset(expected_dx, 0, side * side * channels * sizeof(float));
  BOTH(tsr_max_pool_backward, dx, expected_dx, dy, expected, x, &w, out);
  equal_floats("dx", dx, expected_dx, side * side * channels);

  begin("tsr_average_pool", "%zu x %zu x %zu, kernel %zu, stride %zu", side, side, channels, kernel,
        stride);
  x = normals(side * side * channels), y = floats(count), expected = floats(count);
  BOTH(tsr_average_pool, y, expected, x, &w, 0, out);
  equal_floats("y", y, expected, count);

  begin("tsr_depthwise", "%zu x %zu x %zu, kernel %zu, stride %zu", side, side, channels, kernel,
        stride);
  const float *weight = normals(kernel * kernel * channels), *bias = normals(channels);
  x = normals(side * side * channels), y = floats(count), expected = floats(count);
  float *magnitude = floats(count);
  plain_tsr_depthwise(magnitude, absolute(x, side * side * channels),
                      absolute(weight, kernel * kernel * channels), absolute(bias, channels), &w,
                      INFINITY, 0, out);
  BOTH(tsr_depthwise, y, expected, x, weight, bias, &w, 1.5f, 0, out);
  near("y", y, expected, magnitude, (double)(kernel * kernel) + 2, count);
}

static void check_unit_distance(size_t channels) {
  begin("tsr_unit_distance", "%zu", channels);
  const float *x = normals(channels), *y = normals(channels);
  const float *weights = absolute(normals(channels), channels);
  double distance = tsr_unit_distance(x, y, weights, channels);
  double expected = plain_tsr_unit_distance(x, y, weights, channels), magnitude = expected + 1e-12;
  near_doubles("distance", &distance, &expected, &magnitude, 100, 1);
  begin("tsr_unit_distance_gradient", "%zu", channels);
  float *dx = floats(channels), *expected_dx = floats(channels), *sizes = floats(channels);
  BOTH(tsr_unit_distance_gradient, dx, expected_dx, x, y, weights, 0.3, channels);
  float largest = 0;
  for (size_t i = 0; i < channels; i++)
    largest = fabsf(expected_dx[i]) > largest ? fabsf(expected_dx[i]) : largest;
  for (size_t i = 0; i < channels; i++) sizes[i] = largest + 1e-6f;
  near("dx", dx, expected_dx, sizes, 4, channels);
}

static void check_means(size_t rows, size_t channels) {
  begin("tsr_column_means", "%zu rows of %zu", rows, channels);
  const float *x = normals(rows * channels);
  float *y = floats(channels), *expected = floats(channels);
  BOTH(tsr_column_means, y, expected, x, rows, channels);
  equal_floats("means", y, expected, channels);
  begin("tsr_clamp_positive", "%zu", rows * channels);
  y = normals(rows * channels), expected = copy(y, rows * channels);
  BOTH(tsr_clamp_positive, y, expected, 0.7f, rows * channels);
  equal_floats("y", y, expected, rows * channels);
  begin("tsr_clamp_positive_backward", "%zu", rows * channels);
  x = normals(rows * channels);
  float *dx = floats(rows * channels), *expected_dx = floats(rows * channels);
  BOTH(tsr_clamp_positive_backward, dx, expected_dx, x, y, 0.7f, rows * channels);
  equal_floats("dx", dx, expected_dx, rows * channels);
}

void check_images(void) {
  static const size_t channels[] = {1, 3, 4, 7, 16, 33, 70};
  for (size_t i = 0; i < sizeof channels / sizeof *channels; i++) {
    for (size_t kernel = 1; kernel <= 3; kernel++)
      for (size_t stride = 1; stride <= 2; stride++) {
        check_patches(5, 6, channels[i], kernel, stride);
        check_windows(5, channels[i], kernel, stride);
      }
    for (size_t rows = 1; rows <= MAX_ROWS; rows++) check_means(rows, channels[i]);
    check_unit_distance(channels[i]);
  }
}

// Whole numbers, whose distances are exact: the nearest code and the first of equals are the same in any order.
static void check_nearest(size_t rows, size_t codes, size_t d) {
  size_t panels = (codes + TSR_CODE_PANEL - 1) / TSR_CODE_PANEL, padded = panels * TSR_CODE_PANEL;
  begin("tsr_pack_codes", "%zu codes of %zu", codes, d);
  const float *code = whole_numbers(codes * d);
  float *packed = floats(padded * d), *slow = floats(padded * d);
  BOTH(tsr_pack_codes, packed, slow, code, codes, d);
  equal_floats("panels", packed, slow, padded * d);

  begin("tsr_nearest_code", "%zu rows, %zu codes of %zu", rows, codes, d);
  packed = floats(padded * d);
  plain_tsr_pack_codes(packed, whole_numbers(codes * d), codes, d);
  const float *x = whole_numbers(rows * d);
  float *offset = floats(padded), *value = floats(rows), *slow_value = floats(rows);
  uint32_t *index = room(4 * rows), *slow_index = room(4 * rows);
  for (size_t j = 0; j < padded; j++) offset[j] = j < codes ? (float)(random_word() % 3) : INFINITY;
  for (size_t r = 0; r < rows; r++) value[r] = slow_value[r] = INFINITY;
  tsr_nearest_code(index, value, x, packed, offset, rows, d, panels, 7);
  plain_tsr_nearest_code(slow_index, slow_value, x, packed, offset, rows, d, panels, 7);
  equal("index", index, slow_index, 4 * rows);
  equal_floats("value", value, slow_value, rows);

  begin("tsr_closer_to_row", "%zu codes of %zu", codes, d);
  packed = floats(padded * d);
  plain_tsr_pack_codes(packed, normals(codes * d), codes, d);
  x = normals(d);
  const float *closest = absolute(normals(padded), padded);
  float *closer = floats(padded), *slow_closer = floats(padded);
  double sum = tsr_closer_to_row(closer, closest, x, packed, d, panels);
  double slow_sum = plain_tsr_closer_to_row(slow_closer, closest, x, packed, d, panels);
  near("closer", closer, slow_closer, slow_closer, (double)d + 4, padded);
  near_doubles("sum", &sum, &slow_sum, &slow_sum, (double)d + 4, 1);
}

void check_codes(void) {
  static const size_t shapes[][2] = {{1, 1}, {15, 2}, {16, 3}, {17, 8}, {100, 7}, {257, 16}};
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
    for (size_t rows = 1; rows <= MAX_ROWS; rows++) check_nearest(rows, shapes[i][0], shapes[i][1]);
}
