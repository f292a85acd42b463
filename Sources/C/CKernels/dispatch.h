// Run-time dispatch and the few building blocks that the vector loops share.
#pragma once
#include <stdint.h>
#include <string.h>

// The loader chooses a version of each loop before the runtime of a sanitizer has started, which crashes:
// under a sanitizer there is one version only.
#if defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define TSR_SANITIZED 1
#endif
#endif

#if defined(__x86_64__) && defined(__linux__) && !defined(TSR_SANITIZED)
#define TSR_DISPATCH __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define TSR_DISPATCH
#endif

// Sums may be reordered so that they vectorise; the order is fixed by the compiler, so that one
// machine always gets the same bytes.
#define TSR_REASSOCIATE _Pragma("clang fp reassociate(on) contract(fast)")

// For loops whose output may be their input: element i depends on element i alone, which the compiler
// cannot see, and without this it falls back to scalar code exactly when the arrays coincide.
#define TSR_ELEMENTWISE _Pragma("clang loop vectorize(assume_safety)")

#define TSR_INLINE static inline __attribute__((always_inline))

// exp(x) by Cody-Waite reduction and a degree-6 polynomial, at most 2 ulp; libm's does not vectorise.
TSR_INLINE float tsr_exp1(float x) {
  x = x < -87.3f ? -87.3f : x;
  x = x > 88.3f ? 88.3f : x;
  const float shift = 12582912.0f;  // 1.5 * 2^23: adding it rounds to the nearest integer
  float n = x * 1.44269504088896341f + shift;
  int32_t bits;
  memcpy(&bits, &n, 4);
  n -= shift;
  float r = x - n * 0.693359375f;
  r = r - n * -2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  int32_t power = (int32_t)((uint32_t)(bits + 127) << 23);
  float scale;
  memcpy(&scale, &power, 4);
  return p * scale;
}

// To the nearest bfloat16, ties to even. Rounding could carry a NaN's last bits into an infinity or a zero.
TSR_INLINE uint16_t tsr_bfloat16_of(float x) {
  uint32_t bits;
  memcpy(&bits, &x, 4);
  uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  return (uint16_t)((bits & 0x7fffffffu) > 0x7f800000u ? (bits >> 16) | 0x40u : rounded);
}

TSR_INLINE float tsr_bfloat16_value(uint16_t x) {
  uint32_t bits = (uint32_t)x << 16;
  float value;
  memcpy(&value, &bits, 4);
  return value;
}

TSR_INLINE float tsr_sigmoid1(float x) { return 1.0f / (1.0f + tsr_exp1(-x)); }
