#include "CKernels.h"
#if defined(__linux__)
#include <sys/mman.h>
#endif
#if defined(__linux__) && defined(__aarch64__)
#include <sys/auxv.h>
#endif

bool tsr_has_avx512(void) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
#else
  return false;
#endif
}

const char *tsr_instruction_set(void) {
#if defined(__x86_64__)
  if (tsr_has_avx512()) return tsr_has_bfloat16() ? "x86-64-v4 with AVX-512 BF16" : "x86-64-v4";
  return tsr_has_wide_vectors() ? "x86-64-v3" : "x86-64";
#elif defined(__aarch64__)
  return tsr_has_dot_products() ? "aarch64 with NEON and dot products" : "aarch64 with NEON";
#else
  return "generic";
#endif
}

bool tsr_has_bfloat16(void) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx512bf16");
#else
  return false;
#endif
}

void tsr_pause(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

bool tsr_has_wide_vectors(void) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#elif defined(__aarch64__)
  return true;
#else
  return false;
#endif
}

#if defined(__aarch64__)
bool tsr_has_dot_products(void) {
#if defined(__linux__)
  return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
#elif defined(__ARM_FEATURE_DOTPROD)
  return true;  // as on all of Apple's computers
#else
  return false;
#endif
}
#endif

void tsr_advise_huge_pages(void *memory, size_t bytes) {
#if defined(__linux__)
  // Advice only: where it is not taken, pages are small.
  madvise(memory, bytes, MADV_HUGEPAGE);
#else
  (void)memory, (void)bytes;
#endif
}
