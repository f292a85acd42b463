#include <math.h>

#include "CKernels.h"
#include "dispatch.h"

TSR_DISPATCH void tsr_adamw(float *parameter, float *m, float *v, const float *gradient,
                            float gradient_scale, float rate, float beta1, float beta2, float eps,
                            float decay, float correction1, float correction2, size_t n) {
  float step = rate / correction1, root = 1.0f / sqrtf(correction2), keep = 1.0f - rate * decay;
  for (size_t i = 0; i < n; i++) {
    float g = gradient[i] * gradient_scale;
    float mi = beta1 * m[i] + (1.0f - beta1) * g;
    float vi = beta2 * v[i] + (1.0f - beta2) * g * g;
    m[i] = mi;
    v[i] = vi;
    parameter[i] = parameter[i] * keep - step * mi / (__builtin_sqrtf(vi) * root + eps);
  }
}
