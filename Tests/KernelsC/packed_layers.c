// The packed linear layers of sampling, in each version that the processor has.
#include "check.h"

#if defined(__aarch64__)
static const char *const version_names[] = {"portable", "NEON", "dot products"};
#else
static const char *const version_names[] = {"portable", "AVX2", "AVX-512"};
#endif

typedef enum { FLOAT32, BFLOAT16, INT8 } format;
static const char *const kernel_names[] = {"tsr_packed_linear", "tsr_packed_linear_bfloat16",
                                           "tsr_packed_linear_int8"};

/// A layer y [rows, n] = x [rows, k] W^T in one format.
typedef struct {
  format format;
  size_t rows, n, k, panels, even;
  const float *x, *weight;
  const void *inputs, *packed;
  const float *x_scales, *scales;
} layer;

static layer make_layer(format format, const float *x, const float *weight, size_t rows, size_t n,
                        size_t k) {
  layer l = {format, rows, n, k, (n + TSR_PANEL - 1) / TSR_PANEL, (k + 1) / 2 * 2, x, weight,
             0,      0,    0, 0};
  size_t entries = l.panels * TSR_PANEL * l.even;
  if (format == FLOAT32) {
    float *packed = floats(l.panels * TSR_PANEL * k);
    plain_tsr_pack_panels(packed, weight, n, k);
    l.inputs = x, l.packed = packed;
  } else if (format == BFLOAT16) {
    uint16_t *packed = room(2 * entries), *inputs = room(2 * rows * l.even);
    plain_tsr_pack_panels_bfloat16(packed, weight, n, k);
    memset(inputs, 0, 2 * rows * l.even);
    for (size_t r = 0; r < rows; r++) plain_tsr_to_bfloat16(inputs + r * l.even, x + r * k, k);
    l.inputs = inputs, l.packed = packed;
  } else {
    int8_t *packed = room(entries);
    int16_t *inputs = room(2 * rows * l.even);
    float *scales = floats(l.panels * TSR_PANEL), *x_scales = floats(rows);
    plain_tsr_pack_panels_int8(packed, scales, weight, n, k);
    plain_tsr_quantize_rows(inputs, x_scales, x, rows, k, l.even);
    l.inputs = inputs, l.packed = packed, l.scales = scales, l.x_scales = x_scales;
  }
  return l;
}

#define APPLY(prefix)                                                                           \
  if (l->format == FLOAT32)                                                                     \
    prefix##tsr_packed_linear(y, (const float *)l->inputs + first_row * l->k, l->packed, share, \
                              limit);                                                           \
  else if (l->format == BFLOAT16)                                                               \
    prefix##tsr_packed_linear_bfloat16(y, (const uint16_t *)l->inputs + first_row * l->even,    \
                                       l->packed, share, limit);                                \
  else                                                                                          \
    prefix##tsr_packed_linear_int8(y, (const int16_t *)l->inputs + first_row * l->even,         \
                                   l->x_scales + first_row, l->packed, l->scales, share, limit);

/// Rows first_row ..< first_row + rows into y, which begins with the first of them.
static void apply(const layer *l, float *y, size_t y_stride, size_t first_row, size_t rows,
                  size_t first_panel, size_t last_panel, bool adding, tsr_vectors limit) {
  tsr_linear_share share = {
      rows,     l->n,        l->k,       l->format == FLOAT32 ? l->k : l->even,
      y_stride, first_panel, last_panel, adding};
  APPLY()
}

static void apply_plain(const layer *l, float *y, size_t y_stride, bool adding) {
  tsr_linear_share share = {l->rows,  l->n, l->k,      l->format == FLOAT32 ? l->k : l->even,
                            y_stride, 0,    l->panels, adding};
  size_t first_row = 0;
  tsr_vectors limit = TSR_PORTABLE;
  APPLY(plain_)
}

static void check_version(format format, tsr_vectors version, size_t rows, size_t n, size_t k,
                          bool adding) {
  begin(kernel_names[format], "%s, %zu rows of %zu x %zu%s", version_names[version], rows, n, k,
        adding ? ", adding" : "");
  const float *x = normals(rows * k), *weight = normals(n * k);
  layer l = make_layer(format, x, weight, rows, n, k);
  size_t stride = n + 3, count = (rows - 1) * stride + n;
  float *before = normals(count), *y = copy(before, count), *expected = copy(before, count);
  apply(&l, y, stride, 0, rows, 0, l.panels, adding, version);
  apply_plain(&l, expected, stride, adding);
  if (format == INT8) {
    equal_floats("y", y, expected, count);
  } else {
    layer magnitudes =
        make_layer(format, absolute(x, rows * k), absolute(weight, n * k), rows, n, k);
    float *magnitude = absolute(before, count);
    apply_plain(&magnitudes, magnitude, stride, adding);
    near("y", y, expected, magnitude, (double)k + 3, count);
  }
  // What lies between the rows is left alone.
  for (size_t r = 0; r + 1 < rows; r++)
    equal_floats("between rows", y + r * stride + n, before + r * stride + n, 3);
  // A row does not depend on the rows beside it, nor a panel on the panels beside it.
  float *alone = copy(before, count);
  for (size_t r = 0; r < rows; r++)
    for (size_t p = 0; p < l.panels; p++)
      apply(&l, alone + r * stride, stride, r, 1, p, p + 1, adding, version);
  equal_floats("rows and panels on their own", alone, y, count);
}

// The largest sums that can be: all weights and activations at the ends of their ranges.
static void check_extremes(tsr_vectors version, size_t k) {
  begin(kernel_names[INT8], "%s, largest sums of %zu inputs", version_names[version], k);
  size_t rows = 4, n = 34;
  float *x = floats(rows * k), *weight = floats(n * k);
  for (size_t i = 0; i < rows * k; i++) x[i] = i / k == 0 || (i / k == 1 && i % 3) ? 1.0f : -1.0f;
  for (size_t i = 0; i < n * k; i++)
    weight[i] = i / k % 3 == 0 || (i / k % 3 == 1 && i % 2) ? 1.0f : -1.0f;
  layer l = make_layer(INT8, x, weight, rows, n, k);
  float *y = floats(rows * n), *expected = floats(rows * n);
  apply(&l, y, n, 0, rows, 0, l.panels, false, version);
  apply_plain(&l, expected, n, false);
  equal_floats("y", y, expected, rows * n);
}

static void check_packing(size_t n, size_t k) {
  size_t panels = (n + TSR_PANEL - 1) / TSR_PANEL, entries = panels * TSR_PANEL * ((k + 1) / 2 * 2);
  begin("tsr_pack_panels", "%zu x %zu", n, k);
  const float *weight = normals(n * k);
  float *y = floats(panels * TSR_PANEL * k), *expected = floats(panels * TSR_PANEL * k);
  BOTH(tsr_pack_panels, y, expected, weight, n, k);
  equal_floats("panels", y, expected, panels * TSR_PANEL * k);
  begin("tsr_pack_panels_bfloat16", "%zu x %zu", n, k);
  weight = normals(n * k);
  uint16_t *halves = room(2 * entries), *expected_halves = room(2 * entries);
  BOTH(tsr_pack_panels_bfloat16, halves, expected_halves, weight, n, k);
  equal("panels", halves, expected_halves, 2 * entries);
  begin("tsr_pack_panels_int8", "%zu x %zu", n, k);
  weight = normals(n * k);
  int8_t *bytes = room(entries), *expected_bytes = room(entries);
  float *scales = floats(panels * TSR_PANEL), *expected_scales = floats(panels * TSR_PANEL);
  tsr_pack_panels_int8(bytes, scales, weight, n, k);
  plain_tsr_pack_panels_int8(expected_bytes, expected_scales, weight, n, k);
  equal("panels", bytes, expected_bytes, entries);
  equal_floats("scales", scales, expected_scales, panels * TSR_PANEL);
}

static void check_quantization(size_t rows, size_t k) {
  begin("tsr_quantize_rows", "%zu rows of %zu", rows, k);
  float *x = normals(rows * k);
  x[rows * k - 1] = rows % 3 == 0 ? NAN : rows % 3 == 1 ? INFINITY : 0;
  size_t stride = k + 5;
  int16_t *q = room(2 * rows * stride), *expected = room(2 * rows * stride);
  float *scales = floats(rows), *expected_scales = floats(rows);
  tsr_quantize_rows(q, scales, x, rows, k, stride);
  plain_tsr_quantize_rows(expected, expected_scales, x, rows, k, stride);
  equal("integers", q, expected, 2 * rows * stride);
  for (size_t r = 0; r < rows; r++)
    if (!(isnan(scales[r]) && isnan(expected_scales[r])))
      equal_numbers("scale", scales[r], expected_scales[r]);
}

void check_packed_layers(void) {
  static const size_t shapes[][2] = {{1, 1},  {3, 2},  {15, 3},  {16, 4},  {17, 5},   {31, 7},
                                     {32, 8}, {33, 6}, {40, 64}, {48, 31}, {70, 130}, {77, 333}};
  for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
    size_t n = shapes[s][0], k = shapes[s][1];
    check_packing(n, k);
    for (format format = FLOAT32; format <= INT8; format++)
      for (tsr_vectors version = TSR_PORTABLE; version <= TSR_ALL_VECTORS; version++)
        for (size_t rows = 1; rows <= MAX_ROWS; rows++)
          for (int adding = 0; adding < 2; adding++)
            check_version(format, version, rows, n, k, adding);
  }
  // More rows than the largest block has.
  for (format format = FLOAT32; format <= INT8; format++)
    for (tsr_vectors version = TSR_PORTABLE; version <= TSR_ALL_VECTORS; version++)
      check_version(format, version, 29, 65, 39, false);
  for (tsr_vectors version = TSR_PORTABLE; version <= TSR_ALL_VECTORS; version++)
    for (size_t k = 1; k < 3000; k = k * 5 / 2 + 1) check_extremes(version, k);
  for (size_t rows = 1; rows <= MAX_ROWS; rows++)
    for (size_t k = 1; k < 600; k = k * 2 + 1) check_quantization(rows, k);
}
