// Elementwise loops, sums, and the functions of activations.
#include "check.h"

static const size_t lengths[] = {1, 2, 3, 4, 7, 8, 15, 16, 31, 33, 64, 100, 257, 4096, 9001};
enum { LENGTHS = sizeof lengths / sizeof *lengths };

static void check_sums_of(size_t n) {
  begin("tsr_dot", "%zu", n);
  const float *x = normals(n), *y = normals(n);
  double roundings = (double)(n < 4096 ? n : 4096) + 4;
  double result = tsr_dot(x, y, n), expected = plain_tsr_dot(x, y, n);
  double magnitude = plain_tsr_dot(absolute(x, n), absolute(y, n), n);
  near_doubles("sum", &result, &expected, &magnitude, roundings, 1);

  for (int with_gradient = 0; with_gradient < 2; with_gradient++) {
    begin("tsr_squared_error", "%zu, gradient %d", n, with_gradient);
    float *gradient = with_gradient ? floats(n) : NULL, *slow = with_gradient ? floats(n) : NULL;
    x = normals(n), y = normals(n);
    result = tsr_squared_error(gradient, x, y, 0.3f, n);
    expected = plain_tsr_squared_error(slow, x, y, 0.3f, n);
    near_doubles("sum", &result, &expected, &expected, roundings, 1);
    if (gradient) near("gradient", gradient, slow, absolute(slow, n), 3, n);

    begin("tsr_absolute_error", "%zu, gradient %d", n, with_gradient);
    gradient = with_gradient ? floats(n) : NULL, slow = with_gradient ? floats(n) : NULL;
    float *equals = normals(n);
    x = normals(n);
    equals[n / 2] = x[n / 2];
    result = tsr_absolute_error(gradient, x, equals, 0.3f, n);
    expected = plain_tsr_absolute_error(slow, x, equals, 0.3f, n);
    near_doubles("sum", &result, &expected, &expected, roundings, 1);
    if (gradient) equal_floats("gradient", gradient, slow, n);
  }
}

static void check_loops(size_t n) {
  begin("tsr_add", "%zu", n);
  float *y = floats(n), *expected = floats(n);
  const float *x = normals(n), *b = normals(n);
  BOTH(tsr_add, y, expected, x, b, n);
  equal_floats("y", y, expected, n);

  begin("tsr_axpy", "%zu", n);
  x = normals(n), y = normals(n), expected = copy(y, n);
  float *magnitude = absolute(y, n);
  plain_tsr_axpy(magnitude, 0.7f, absolute(x, n), n);
  BOTH(tsr_axpy, y, expected, -0.7f, x, n);
  near("y", y, expected, magnitude, 2, n);

  begin("tsr_scale", "%zu, in place", n);
  y = normals(n), expected = copy(y, n);
  tsr_scale(y, -1.7f, y, n);
  plain_tsr_scale(expected, -1.7f, expected, n);
  equal_floats("y", y, expected, n);

  begin("tsr_moving_average", "%zu", n);
  x = normals(n), y = normals(n), expected = copy(y, n), magnitude = absolute(y, n);
  plain_tsr_moving_average(magnitude, absolute(x, n), 0.9f, n);
  BOTH(tsr_moving_average, y, expected, x, 0.9f, n);
  near("y", y, expected, magnitude, 4, n);

  begin("tsr_exp", "%zu", n);
  float *wide = normals(n);
  for (size_t i = 0; i < n; i++) wide[i] *= 30;
  y = floats(n), expected = floats(n);
  BOTH(tsr_exp, y, expected, wide, n);
  near("y", y, expected, expected, 4, n);
}

static void check_bfloat16(size_t n) {
  begin("tsr_to_bfloat16", "%zu, any bits", n);
  float *x = floats(n);
  for (size_t i = 0; i < n; i++) {
    static const uint32_t special[] = {0x7f800000u, 0xff800000u, 0x7f800001u,
                                       0xffffffffu, 0x7f7fffffu, 0x80000000u,
                                       0x00000001u, 0x3f808000u, 0x3f818000u};
    uint32_t bits = i < 9 ? special[i] : random_word();
    memcpy(x + i, &bits, 4);
  }
  uint16_t *y = room(2 * n), *expected = room(2 * n);
  BOTH(tsr_to_bfloat16, y, expected, x, n);
  equal("y", y, expected, 2 * n);
}

static void check_rows(size_t rows, size_t n) {
  begin("tsr_add_bias", "%zu rows of %zu", rows, n);
  const float *bias = normals(n);
  float *y = normals(rows * n), *expected = copy(y, rows * n);
  BOTH(tsr_add_bias, y, expected, bias, rows, n);
  equal_floats("y", y, expected, rows * n);

  begin("tsr_column_sums", "%zu rows of %zu", rows, n);
  const float *x = normals(rows * n);
  y = normals(n), expected = copy(y, n);
  BOTH(tsr_column_sums, y, expected, x, rows, n);
  equal_floats("sums", y, expected, n);

  begin("tsr_adamw", "%zu", rows * n);
  size_t count = rows * n;
  const float *gradient = normals(count);
  float *p = normals(count), *m = normals(count), *v = absolute(normals(count), count);
  float *slow_p = copy(p, count), *slow_m = copy(m, count), *slow_v = copy(v, count);
  float *at_p = floats(count), *at_m = floats(count), *at_v = floats(count);
  for (size_t i = 0; i < count; i++) {
    float g = 0.5f * gradient[i];
    at_m[i] = 0.9f * fabsf(m[i]) + 0.1f * fabsf(g);
    at_v[i] = 0.95f * v[i] + 0.05f * g * g;
    at_p[i] = fabsf(p[i]) + 0.01f / 0.7f * at_m[i] / (sqrtf(at_v[i] / 0.8f) + 1e-8f);
  }
  tsr_adamw(p, m, v, gradient, 0.5f, 0.01f, 0.9f, 0.95f, 1e-8f, 0.1f, 0.7f, 0.8f, count);
  plain_tsr_adamw(slow_p, slow_m, slow_v, gradient, 0.5f, 0.01f, 0.9f, 0.95f, 1e-8f, 0.1f, 0.7f,
                  0.8f, count);
  near("first moment", m, slow_m, at_m, 8, count);
  near("second moment", v, slow_v, at_v, 12, count);
  near("parameter", p, slow_p, at_p, 32, count);
}

void check_elementwise(void) {
  for (size_t i = 0; i < LENGTHS; i++) {
    check_sums_of(lengths[i]);
    check_loops(lengths[i]);
    check_bfloat16(lengths[i]);
  }
  for (size_t rows = 1; rows <= MAX_ROWS; rows++)
    for (size_t i = 0; i < 12; i++) check_rows(rows, lengths[i]);
}

static double sigmoid(double x) { return 1 / (1 + exp(-x)); }

/// Magnitudes of the derivative of SiLU, times those of dy: 1 - sigmoid loses what sigmoid has rounded.
static float *silu_slopes(const float *dy, const float *x, size_t n) {
  float *y = floats(n);
  for (size_t i = 0; i < n; i++) y[i] = (float)(fabs(dy[i]) * sigmoid(x[i]) * (1 + fabs(x[i])));
  return y;
}

static void check_silu(size_t n) {
  begin("tsr_silu", "%zu, in place", n);
  float *y = normals(n), *expected = copy(y, n);
  tsr_silu(y, y, n);
  plain_tsr_silu(expected, expected, n);
  near("y", y, expected, absolute(expected, n), 8, n);

  begin("tsr_silu_backward", "%zu", n);
  const float *dy = normals(n), *x = normals(n);
  y = floats(n), expected = floats(n);
  BOTH(tsr_silu_backward, y, expected, dy, x, n);
  near("dx", y, expected, silu_slopes(dy, x, n), 14, n);
}

static void check_gelu(size_t n) {
  const double slope = 1.5957691216057308, cube = 0.044715;
  begin("tsr_gelu", "%zu, in place", n);
  float *y = normals(n), *expected = copy(y, n), *magnitude = floats(n);
  // An exponent that is rounded changes the power by the exponent times as much.
  for (size_t i = 0; i < n; i++) {
    double x = fabs(y[i]), u = slope * (x + cube * x * x * x);
    magnitude[i] = (float)(x * sigmoid(copysign(u, y[i])) * (1 + u));
  }
  tsr_gelu(y, y, n);
  plain_tsr_gelu(expected, expected, n);
  near("y", y, expected, magnitude, 12, n);

  begin("tsr_gelu_backward", "%zu", n);
  const float *dy = normals(n), *x = normals(n);
  y = floats(n), expected = floats(n), magnitude = floats(n);
  for (size_t i = 0; i < n; i++) {
    double z = fabs(x[i]), u = slope * (z + cube * z * z * z), s = sigmoid(copysign(u, x[i]));
    magnitude[i] = (float)(fabs(dy[i]) * s * (1 + u) * (1 + z * slope * (1 + 3 * cube * z * z)));
  }
  BOTH(tsr_gelu_backward, y, expected, dy, x, n);
  near("dx", y, expected, magnitude, 14, n);
}

static void check_swiglu(size_t rows, size_t n) {
  begin("tsr_swiglu", "%zu rows of %zu", rows, n);
  const float *both = normals(2 * rows * n);
  float *y = floats(rows * n), *expected = floats(rows * n);
  BOTH(tsr_swiglu, y, expected, both, rows, n);
  near("y", y, expected, absolute(expected, rows * n), 9, rows * n);

  begin("tsr_swiglu_backward", "%zu rows of %zu", rows, n);
  const float *dy = normals(rows * n);
  both = normals(2 * rows * n);
  y = floats(2 * rows * n), expected = floats(2 * rows * n);
  float *magnitude = floats(2 * rows * n);
  for (size_t r = 0; r < rows; r++) {
    const float *gate = both + 2 * r * n, *d = dy + r * n;
    for (size_t i = 0; i < n; i++) {
      double size = fabs(d[i]) * sigmoid(gate[i]);
      magnitude[2 * r * n + i] = (float)(size * fabs(gate[n + i]) * (1 + fabs(gate[i])));
      magnitude[2 * r * n + n + i] = (float)(size * fabs(gate[i]));
    }
  }
  BOTH(tsr_swiglu_backward, y, expected, dy, both, rows, n);
  near("d gate and d up", y, expected, magnitude, 16, 2 * rows * n);
}

// bfloat16 numbers as floats.
static float *widened(const uint16_t *x, size_t n) {
  float *y = floats(n);
  for (size_t i = 0; i < n; i++) {
    uint32_t bits = (uint32_t)x[i] << 16;
    memcpy(y + i, &bits, 4);
  }
  return y;
}

// One step of bfloat16 may lie between the two, where the float's last bit decides.
static void check_rounded_swiglu(size_t rows, size_t n) {
  size_t count = rows * n;
  begin("tsr_swiglu_bfloat16", "%zu rows of %zu", rows, n);
  const float *both = normals(2 * count);
  uint16_t *y = room(2 * count), *slow = room(2 * count);
  uint16_t *rounded = room(4 * count), *slow_rounded = room(4 * count);
  tsr_swiglu_bfloat16(y, rounded, both, rows, n);
  plain_tsr_swiglu_bfloat16(slow, slow_rounded, both, rows, n);
  float *expected = widened(slow, count);
  near("y", widened(y, count), expected, absolute(expected, count), 0x1p16, count);
  equal("rounded", rounded, slow_rounded, 4 * count);

  begin("tsr_swiglu_backward_bfloat16", "%zu rows of %zu", rows, n);
  const float *dy = normals(count);
  uint16_t *projections = room(4 * count), *d = room(4 * count);
  tsr_to_bfloat16(projections, normals(2 * count), 2 * count);
  slow = room(4 * count);
  tsr_swiglu_backward_bfloat16(d, d + count, dy, projections, rows, n);
  plain_tsr_swiglu_backward_bfloat16(slow, slow + count, dy, projections, rows, n);
  float *magnitude = floats(2 * count), *wide = widened(projections, 2 * count);
  for (size_t i = 0; i < count; i++) {
    const float *gate = wide + i / n * 2 * n + i % n;
    double size = fabs(dy[i]) * sigmoid(*gate);
    magnitude[i] = (float)(size * fabs(gate[n]) * (1 + fabs(*gate)));
    magnitude[count + i] = (float)(size * fabs(*gate));
  }
  expected = widened(slow, 2 * count);
  near("d gate and d up", widened(d, 2 * count), expected, magnitude, 0x1p16, 2 * count);
}

static void check_swiglu_panels(size_t rows, size_t h) {
  begin("tsr_swiglu_panels", "%zu rows of %zu", rows, h);
  size_t panels = (h + TSR_PANEL - 1) / TSR_PANEL, count = 2 * rows * panels * TSR_PANEL;
  const float *both = normals(count);
  float *y = floats(rows * h), *expected = floats(rows * h);
  // Each panel on its own, as threads share them out.
  for (size_t p = 0; p < panels; p++) tsr_swiglu_panels(y, both, rows, h, p, p + 1);
  plain_tsr_swiglu_panels(expected, both, rows, h, 0, panels);
  near("y", y, expected, absolute(expected, rows * h), 12, rows * h);
}

void check_activations(void) {
  for (size_t i = 0; i < LENGTHS; i++) {
    check_silu(lengths[i]);
    check_gelu(lengths[i]);
  }
  for (size_t rows = 1; rows <= MAX_ROWS; rows++)
    for (size_t i = 0; i < 12; i++) {
      check_swiglu(rows, lengths[i]);
      check_rounded_swiglu(rows, lengths[i]);
      check_swiglu_panels(rows, lengths[i]);
    }
}
