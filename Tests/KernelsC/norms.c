// Norms, rotary embeddings, softmax and the losses over it.
#include "check.h"

static double sum_of_magnitudes(const float *a, const float *b, const float *c, size_t n) {
  double sum = 0;
  for (size_t i = 0; i < n; i++) sum += fabs((double)a[i] * b[i] * (c ? c[i] : 1));
  return sum;
}

static void check_rms_norm(size_t rows, size_t n) {
  size_t count = rows * n;
  begin("tsr_rms_norm", "%zu rows of %zu", rows, n);
  const float *x = normals(count), *weight = normals(n);
  float *y = floats(count), *expected = floats(count);
  float *inverse = floats(rows), *slow = floats(rows);
  tsr_rms_norm(y, inverse, x, weight, 1e-5f, rows, n);
  plain_tsr_rms_norm(expected, slow, x, weight, 1e-5f, rows, n);
  near("y", y, expected, absolute(expected, count), (double)n / 2 + 8, count);
  near("inverse", inverse, slow, slow, (double)n / 2 + 8, rows);

  begin("tsr_rms_norm_backward", "%zu rows of %zu", rows, n);
  const float *dy = normals(count);
  x = normals(count), weight = normals(n), slow = floats(rows);
  plain_tsr_rms_norm(floats(count), slow, x, weight, 1e-5f, rows, n);
  float *dw = normals(n), *slow_dw = copy(dw, n), *at_dw = absolute(dw, n), *at_dx = floats(count);
  for (size_t r = 0; r < rows; r++) {
    const float *row = x + r * n, *d = dy + r * n;
    double back = sum_of_magnitudes(d, weight, row, n) * pow(slow[r], 3) / (double)n;
    for (size_t i = 0; i < n; i++) {
      at_dw[i] += fabsf(d[i] * row[i] * slow[r]);
      at_dx[r * n + i] = (float)(fabs(d[i] * weight[i] * slow[r]) + fabs(row[i]) * back);
    }
  }
  y = floats(count), expected = floats(count);
  tsr_rms_norm_backward(y, dw, dy, x, weight, slow, rows, n);
  plain_tsr_rms_norm_backward(expected, slow_dw, dy, x, weight, slow, rows, n);
  near("d weight", dw, slow_dw, at_dw, (double)rows + 8, n);
  near("dx", y, expected, at_dx, 3 * (double)n + 16, count);
}

static void check_l2_norm(size_t rows, size_t n) {
  size_t count = rows * n;
  begin("tsr_l2_normalize", "%zu rows of %zu", rows, n);
  float *x = normals(count), *y = floats(count), *expected = floats(count);
  float *inverse = floats(rows), *slow = floats(rows);
  memset(x, 0, n * sizeof(float));  // a row of zeros
  tsr_l2_normalize(y, inverse, x, 1e-3f, rows, n);
  plain_tsr_l2_normalize(expected, slow, x, 1e-3f, rows, n);
  near("y", y, expected, absolute(expected, count), (double)n / 2 + 8, count);
  near("inverse", inverse, slow, slow, (double)n / 2 + 8, rows);

  begin("tsr_l2_normalize_backward", "%zu rows of %zu", rows, n);
  const float *dy = normals(count), *unit = normals(count),
              *factors = absolute(normals(rows), rows);
  float *magnitude = floats(count);
  for (size_t i = 0; i < count; i++) {
    const float *d = dy + i / n * n, *row = unit + i / n * n;
    double back = fabs(unit[i]) * sum_of_magnitudes(d, row, NULL, n);
    magnitude[i] = (float)((fabs(dy[i]) + back) * factors[i / n]);
  }
  y = floats(count), expected = floats(count);
  BOTH(tsr_l2_normalize_backward, y, expected, dy, unit, factors, rows, n);
  near("dx", y, expected, magnitude, (double)n + 8, count);
}

static void check_moments(size_t rows, size_t n) {
  begin("tsr_channel_moments", "%zu rows of %zu", rows, n);
  const float *x = normals(rows * n), *pivot = x;
  double *sums = doubles(4 * n), *expected = doubles(4 * n), *magnitude = doubles(2 * n);
  for (size_t i = 0; i < 2 * n; i++) sums[i] = expected[i] = magnitude[i] = 0.5;
  for (size_t i = 0; i < rows * n; i++) {
    double v = fabs((double)x[i] - pivot[i % n]);
    magnitude[i % n] += v, magnitude[n + i % n] += v * v;
  }
  tsr_channel_moments(sums, sums + n, x, pivot, rows, n);
  plain_tsr_channel_moments(expected, expected + n, x, pivot, rows, n);
  near_doubles("sums and squares", sums, expected, magnitude, 34, 2 * n);
}

/// Magnitudes of x scale + shift.
static float *affine_magnitudes(const float *x, const float *scale, const float *shift, size_t rows,
                                size_t n) {
  float *y = floats(rows * n);
  plain_tsr_scale_shift(y, absolute(x, rows * n), absolute(scale, n), absolute(shift, n), false,
                        rows, n);
  return y;
}

static void check_scale_shift(size_t rows, size_t n, bool silu) {
  size_t count = rows * n;
  begin("tsr_scale_shift", "%zu rows of %zu, silu %d", rows, n, silu);
  const float *x = normals(count), *scale = normals(n), *shift = normals(n);
  float *y = floats(count), *expected = floats(count);
  BOTH(tsr_scale_shift, y, expected, x, scale, shift, silu, rows, n);
  near("y", y, expected, affine_magnitudes(x, scale, shift, rows, n), 10, count);

  begin("tsr_scale_shift_bfloat16", "%zu rows of %zu, silu %d", rows, n, silu);
  x = normals(count), scale = normals(n), shift = normals(n);
  uint16_t *halves = room(2 * count), *slow = room(2 * count);
  BOTH(tsr_scale_shift_bfloat16, halves, slow, x, scale, shift, silu, rows, n);
  y = floats(count), expected = floats(count);
  for (size_t i = 0; i < count; i++) {
    uint32_t bits = (uint32_t)halves[i] << 16, slow_bits = (uint32_t)slow[i] << 16;
    memcpy(y + i, &bits, 4), memcpy(expected + i, &slow_bits, 4);
  }
  // One step of bfloat16, where the float's last bit decides between two.
  near("y", y, expected, affine_magnitudes(x, scale, shift, rows, n), 0x1p16, count);

  begin("tsr_scale_shift_backward", "%zu rows of %zu, silu %d", rows, n, silu);
  const float *dy = normals(count);
  x = normals(count), scale = normals(n), shift = normals(n);
  float *du = floats(count), *slow_du = floats(count),
        *magnitude = affine_magnitudes(x, scale, shift, rows, n);
  double *sums = doubles(2 * n), *slow_sums = doubles(2 * n), *at_sums = doubles(2 * n);
  for (size_t i = 0; i < 2 * n; i++) sums[i] = slow_sums[i] = at_sums[i] = 0.5;
  for (size_t i = 0; i < count; i++) {
    magnitude[i] = fabsf(dy[i]) * (1 + magnitude[i]);
    at_sums[i % n] += magnitude[i], at_sums[n + i % n] += fabs(magnitude[i] * x[i]);
  }
  tsr_scale_shift_backward(du, sums, sums + n, dy, x, scale, shift, silu, rows, n);
  plain_tsr_scale_shift_backward(slow_du, slow_sums, slow_sums + n, dy, x, scale, shift, silu, rows,
                                 n);
  near("du", du, slow_du, magnitude, 16, count);
  near_doubles("sums of du and du x", sums, slow_sums, at_sums, 51, 2 * n);
}

static void check_affine_pair(size_t rows, size_t n) {
  begin("tsr_affine_pair", "%zu rows of %zu, in place", rows, n);
  size_t count = rows * n;
  const float *x = normals(count), *a = normals(n), *b = normals(n), *c = normals(n);
  float *y = normals(count), *expected = copy(y, count), *magnitude = absolute(y, count);
  plain_tsr_affine_pair(magnitude, magnitude, absolute(x, count), absolute(a, n), absolute(b, n),
                        absolute(c, n), rows, n);
  tsr_affine_pair(y, y, x, a, b, c, rows, n);
  plain_tsr_affine_pair(expected, expected, x, a, b, c, rows, n);
  near("dx", y, expected, magnitude, 4, count);
}

/// Magnitudes of the sums that a rotation of pairs makes.
static float *rotated_magnitudes(const float *x, const float *cos_sin, size_t size) {
  float *y = floats(size);
  for (size_t i = 0; i < size; i += 2) {
    y[i] = fabsf(x[i] * cos_sin[i]) + fabsf(x[i + 1] * cos_sin[i + 1]);
    y[i + 1] = fabsf(x[i + 1] * cos_sin[i]) + fabsf(x[i] * cos_sin[i + 1]);
  }
  return y;
}

static void check_rotary(size_t rows, size_t size, float direction) {
  begin("tsr_rotate_pairs", "%zu heads of %zu, direction %g", rows, size, direction);
  const float *angles = normals(size);
  float *y = normals(rows * size), *expected = copy(y, rows * size), *before = copy(y, rows * size);
  tsr_rotate_pairs(y, angles, direction, rows, size);
  plain_tsr_rotate_pairs(expected, angles, direction, rows, size);
  for (size_t r = 0; r < rows; r++)
    near("x", y + r * size, expected + r * size,
         rotated_magnitudes(before + r * size, angles, size), 3, size);

  begin("tsr_rotate_rows", "%zu rows of %zu, direction %g", rows, size, direction);
  size_t in = size + 3, out = size + 1, count = (rows - 1) * out + size;
  const float *x = normals((rows - 1) * in + size);
  angles = normals(rows * size), y = normals(count), expected = copy(y, count);
  tsr_rotate_rows(y, out, x, in, angles, direction, rows, size);
  plain_tsr_rotate_rows(expected, out, x, in, angles, direction, rows, size);
  for (size_t r = 0; r < rows; r++) {
    float *magnitude = rotated_magnitudes(x + r * in, angles + r * size, size);
    near("y", y + r * out, expected + r * out, magnitude, 3, size);
    if (r + 1 < rows) equal_numbers("between rows", y[r * out + size], expected[r * out + size]);
  }
}

void check_norms(void) {
  static const size_t lengths[] = {1, 2, 3, 5, 16, 31, 33, 64, 65, 100, 257};
  for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
    size_t n = lengths[i];
    for (size_t rows = 1; rows <= MAX_ROWS; rows++) {
      check_rms_norm(rows, n);
      check_l2_norm(rows, n);
      check_moments(rows, n);
      check_scale_shift(rows, n, false);
      check_scale_shift(rows, n, true);
      check_affine_pair(rows, n);
      if (n % 2 == 0) check_rotary(rows, n, rows % 2 ? 1 : -1);
    }
    // More rows than a sum in float32 has.
    check_moments(70, n);
    check_scale_shift(70, n, true);
  }
}

static uint8_t *random_mask(size_t n) {
  uint8_t *mask = room(n);
  for (size_t i = 0; i < n; i++) mask[i] = random_word() % 3 != 0;
  return mask;
}

static void check_softmax_row(size_t n, size_t visible, bool masked, bool hidden) {
  begin("tsr_softmax_row", "%zu of %zu%s%s", visible, n, masked ? ", masked" : "",
        hidden ? ", all hidden" : "");
  float *y = normals(n), *expected = copy(y, n);
  uint8_t *mask = masked ? random_mask(visible) : NULL;
  if (mask) memset(mask, !hidden, visible / 2 + 1);
  if (hidden) memset(mask, 0, visible);
  float sum = tsr_softmax_row(y, mask, 0.4f, visible, n);
  float slow = plain_tsr_softmax_row(expected, mask, 0.4f, visible, n);
  near("p", y, expected, expected, (double)n + 40, n);
  if (hidden) {
    equal_numbers("log of the sum", sum, slow);
  } else {
    float magnitude = 4 + fabsf(slow);
    near("log of the sum", &sum, &slow, &magnitude, (double)n + 40, 1);
  }
}

static void check_exponentials_row(size_t n) {
  begin("tsr_exponentials_row", "%zu", n);
  float *x = normals(n), *y = floats(n), *expected = floats(n), maximum, slow_maximum;
  double sum = tsr_exponentials_row(y, &maximum, x, n);
  double slow = plain_tsr_exponentials_row(expected, &slow_maximum, x, n);
  near("weights", y, expected, expected, 8, n);
  equal_numbers("maximum", maximum, slow_maximum);
  float ratio = (float)(sum / slow), one = 1;
  near("sum", &ratio, &one, &one, 8, 1);
  begin("tsr_count_above", "%zu", n);
  equal_numbers("count", (float)tsr_count_above(x, x[n / 2], n),
                (float)plain_tsr_count_above(x, x[n / 2], n));
}

static void check_softmax_backward(size_t n) {
  begin("tsr_softmax_backward_row", "%zu", n);
  float *p = normals(n), *y = normals(n), *expected = copy(y, n), *magnitude = floats(n);
  plain_tsr_softmax_row(p, NULL, 1, n, n);
  double dot = sum_of_magnitudes(p, y, NULL, n);
  for (size_t i = 0; i < n; i++) magnitude[i] = (float)(p[i] * (fabs(y[i]) + dot) * 0.4);
  tsr_softmax_backward_row(y, p, 0.4f, n);
  plain_tsr_softmax_backward_row(expected, p, 0.4f, n);
  near("d scores", y, expected, magnitude, (double)n + 8, n);
}

static void check_cross_entropy(size_t n, size_t cluster, float smoothing, bool in_place) {
  size_t target = random_word() % n;
  begin("tsr_cross_entropy_row", "%zu, target %zu, clusters of %zu, smoothing %g%s", n, target,
        cluster, smoothing, in_place ? ", in place" : "");
  float *logits = normals(n), *slow_logits = copy(logits, n), *magnitude = floats(n);
  float losses[2], slow[2], loss_magnitude[2] = {12, 12};
  double whole = 0, part = 0;
  size_t first = cluster ? target / cluster * cluster : 0;
  for (size_t i = 0; i < n; i++) whole += exp(logits[i]);
  for (size_t i = first; i < first + cluster; i++) part += exp(logits[i]);
  for (size_t i = 0; i < n; i++) {
    bool inside = i >= first && i < first + cluster;
    magnitude[i] = (float)(exp(logits[i]) * (1.3 / whole + (inside ? 0.3 / part : 0)) +
                           1.0 / (double)n + (i == target));
  }
  float *gradient = in_place ? logits : floats(n), *slow_gradient = floats(n);
  tsr_cross_entropy_row(losses, gradient, logits, n, target, smoothing, cluster, 0.3f, 0.9f);
  plain_tsr_cross_entropy_row(slow, slow_gradient, slow_logits, n, target, smoothing, cluster, 0.3f,
                              0.9f);
  near("losses", losses, slow, loss_magnitude, (double)n + 60, 2);
  near("gradient", gradient, slow_gradient, magnitude, (double)n + 60, n);
  tsr_cross_entropy_row(losses, NULL, slow_logits, n, target, smoothing, cluster, 0.3f, 0.9f);
  near("losses without gradient", losses, slow, loss_magnitude, (double)n + 60, 2);
}

void check_softmax(void) {
  static const size_t lengths[] = {1, 2, 3, 7, 15, 16, 17, 33, 64, 100, 257};
  for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
    size_t n = lengths[i];
    for (int masked = 0; masked < 2; masked++) {
      check_softmax_row(n, n, masked, false);
      check_softmax_row(n + 5, n, masked, false);
    }
    check_softmax_row(n + 1, n, true, true);
    check_softmax_backward(n);
    check_exponentials_row(n);
    for (int in_place = 0; in_place < 2; in_place++) {
      check_cross_entropy(n, 0, 0, in_place);
      check_cross_entropy(4 * n, n, 0.1f, in_place);
    }
  }
}
