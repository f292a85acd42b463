// Runs every kernel of CKernels on small random shapes against the same source compiled without vectors: the vectors of
// the processor at hand, and of the packed layers each version. It needs no Swift; scripts/check-arm.sh builds it.
#include <stdio.h>

#include "check.h"

static const char *const kernels[] = {
#define KERNEL(name) #name,
#include "kernels.inc"
#undef KERNEL
};

int main(void) {
  check_elementwise();
  check_activations();
  check_norms();
  check_softmax();
  check_random();
  check_images();
  check_codes();
  check_packed_layers();
  check_attention();
  check_draws();
  int checks, failures = finish(&checks);
  size_t count = sizeof kernels / sizeof *kernels;
  for (size_t i = 0; i < count; i++)
    if (!was_checked(kernels[i])) {
      fprintf(stderr, "%s: no check runs it\n", kernels[i]);
      failures++;
    }
  printf("%s: %zu kernels, %d checks, %d failed\n", tsr_instruction_set(), count, checks, failures);
  return failures > 0;
}
