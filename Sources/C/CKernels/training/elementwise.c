#include "CKernels.h"
#include "dispatch.h"

TSR_DISPATCH void tsr_add(float *y, const float *a, const float *b, size_t n) {
  TSR_ELEMENTWISE
  for (size_t i = 0; i < n; i++) y[i] = a[i] + b[i];
}

TSR_DISPATCH void tsr_axpy(float *y, float alpha, const float *x, size_t n) {
  for (size_t i = 0; i < n; i++) y[i] += alpha * x[i];
}

TSR_DISPATCH void tsr_scale(float *y, float alpha, const float *x, size_t n) {
  TSR_ELEMENTWISE
  for (size_t i = 0; i < n; i++) y[i] = alpha * x[i];
}

TSR_DISPATCH void tsr_add_bias(float *y, const float *bias, size_t rows, size_t n) {
  for (size_t r = 0; r < rows; r++)
    for (size_t i = 0; i < n; i++) y[r * n + i] += bias[i];
}

TSR_DISPATCH void tsr_column_sums(float *sums, const float *x, size_t rows, size_t n) {
  for (size_t r = 0; r < rows; r++)
    for (size_t i = 0; i < n; i++) sums[i] += x[r * n + i];
}

// Sums of up to 4096 elements are exact enough in float lanes; longer sums are continued in double.
enum { CHUNK = 4096 };

TSR_DISPATCH double tsr_dot(const float *x, const float *y, size_t n) {
  TSR_REASSOCIATE
  double total = 0;
  for (size_t start = 0; start < n; start += CHUNK) {
    size_t end = start + CHUNK < n ? start + CHUNK : n;
    float sum = 0;
    for (size_t i = start; i < end; i++) sum += x[i] * y[i];
    total += sum;
  }
  return total;
}

TSR_DISPATCH double tsr_squared_error(float *gradient, const float *x, const float *y, float scale,
                                      size_t n) {
  TSR_REASSOCIATE
  double total = 0;
  for (size_t start = 0; start < n; start += CHUNK) {
    size_t end = start + CHUNK < n ? start + CHUNK : n;
    float sum = 0;
    for (size_t i = start; i < end; i++) sum += (x[i] - y[i]) * (x[i] - y[i]);
    total += sum;
  }
  if (gradient)
    for (size_t i = 0; i < n; i++) gradient[i] = 2.0f * scale * (x[i] - y[i]);
  return total;
}

TSR_DISPATCH double tsr_absolute_error(float *gradient, const float *x, const float *y, float scale,
                                       size_t n) {
  TSR_REASSOCIATE
  double total = 0;
  for (size_t start = 0; start < n; start += CHUNK) {
    size_t end = start + CHUNK < n ? start + CHUNK : n;
    float sum = 0;
    for (size_t i = start; i < end; i++) sum += x[i] > y[i] ? x[i] - y[i] : y[i] - x[i];
    total += sum;
  }
  if (gradient)
    for (size_t i = 0; i < n; i++)
      gradient[i] = x[i] > y[i] ? scale : (x[i] < y[i] ? -scale : 0.0f);
  return total;
}

TSR_DISPATCH void tsr_moving_average(float *ema, const float *x, float decay, size_t n) {
  for (size_t i = 0; i < n; i++) ema[i] = decay * ema[i] + (1.0f - decay) * x[i];
}

TSR_DISPATCH void tsr_to_bfloat16(uint16_t *y, const float *x, size_t n) {
  for (size_t i = 0; i < n; i++) y[i] = tsr_bfloat16_of(x[i]);
}

TSR_DISPATCH void tsr_exp(float *y, const float *x, size_t n) {
  for (size_t i = 0; i < n; i++) y[i] = tsr_exp1(x[i]);
}
