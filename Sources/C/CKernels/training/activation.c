#include "CKernels.h"
#include "dispatch.h"

TSR_DISPATCH void tsr_silu(float *y, const float *x, size_t n) {
  TSR_ELEMENTWISE
  for (size_t i = 0; i < n; i++) y[i] = x[i] * tsr_sigmoid1(x[i]);
}

TSR_DISPATCH void tsr_silu_backward(float *dx, const float *dy, const float *x, size_t n) {
  for (size_t i = 0; i < n; i++) {
    float s = tsr_sigmoid1(x[i]);
    dx[i] = dy[i] * (s + x[i] * s * (1.0f - s));
  }
}

TSR_DISPATCH void tsr_swiglu(float *y, const float *both, size_t rows, size_t n) {
  for (size_t r = 0; r < rows; r++) {
    const float *gate = both + 2 * r * n, *up = gate + n;
    for (size_t i = 0; i < n; i++) y[r * n + i] = gate[i] * tsr_sigmoid1(gate[i]) * up[i];
  }
}

TSR_DISPATCH void tsr_swiglu_backward(float *d_both, const float *dy, const float *both,
                                      size_t rows, size_t n) {
  for (size_t r = 0; r < rows; r++) {
    const float *restrict gate = both + 2 * r * n, *restrict up = gate + n,
                          *restrict d = dy + r * n;
    float *restrict d_gate = d_both + 2 * r * n, *restrict d_up = d_gate + n;
    for (size_t i = 0; i < n; i++) {
      float s = tsr_sigmoid1(gate[i]);
      float silu = gate[i] * s;
      d_up[i] = d[i] * silu;
      d_gate[i] = d[i] * up[i] * (s + silu * (1.0f - s));
    }
  }
}

TSR_DISPATCH void tsr_swiglu_bfloat16(uint16_t *y, uint16_t *rounded, const float *both,
                                      size_t rows, size_t n) {
  for (size_t r = 0; r < rows; r++) {
    const float *restrict gate = both + 2 * r * n, *restrict up = gate + n;
    uint16_t *restrict out = y + r * n;
    for (size_t i = 0; i < n; i++)
      out[i] = tsr_bfloat16_of(gate[i] * tsr_sigmoid1(gate[i]) * up[i]);
    if (!rounded) continue;
    uint16_t *restrict copy = rounded + 2 * r * n;
    for (size_t i = 0; i < 2 * n; i++) copy[i] = tsr_bfloat16_of(gate[i]);
  }
}

TSR_DISPATCH void tsr_swiglu_backward_bfloat16(uint16_t *d_gate, uint16_t *d_up, const float *dy,
                                               const uint16_t *both, size_t rows, size_t n) {
  for (size_t r = 0; r < rows; r++) {
    const uint16_t *restrict gates = both + 2 * r * n, *restrict ups = gates + n;
    const float *restrict d = dy + r * n;
    uint16_t *restrict to_gate = d_gate + r * n, *restrict to_up = d_up + r * n;
    for (size_t i = 0; i < n; i++) {
      float gate = tsr_bfloat16_value(gates[i]), up = tsr_bfloat16_value(ups[i]);
      float s = tsr_sigmoid1(gate);
      float silu = gate * s;
      to_up[i] = tsr_bfloat16_of(d[i] * silu);
      to_gate[i] = tsr_bfloat16_of(d[i] * up * (s + silu * (1.0f - s)));
    }
  }
}

// (1 + tanh(u)) / 2 is the sigmoid of 2u.
static const float GELU_SLOPE = 1.5957691216057308f;  // 2 sqrt(2 / pi)
static const float GELU_CUBE = 0.044715f;

TSR_DISPATCH void tsr_gelu(float *y, const float *x, size_t n) {
  TSR_ELEMENTWISE
  for (size_t i = 0; i < n; i++)
    y[i] = x[i] * tsr_sigmoid1(GELU_SLOPE * (x[i] + GELU_CUBE * x[i] * x[i] * x[i]));
}

TSR_DISPATCH void tsr_gelu_backward(float *dx, const float *dy, const float *x, size_t n) {
  for (size_t i = 0; i < n; i++) {
    float square = x[i] * x[i];
    float s = tsr_sigmoid1(GELU_SLOPE * (x[i] + GELU_CUBE * square * x[i]));
    dx[i] = dy[i] * (s + x[i] * s * (1.0f - s) * GELU_SLOPE * (1.0f + 3.0f * GELU_CUBE * square));
  }
}
