// What the checks of the kernels share: arrays that end at a guard page, random numbers, comparisons with a
// message that names kernel, shape and difference.
#pragma once
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "CKernels.h"

// Every kernel a second time: the same source, compiled without vectors. The script that builds the checks writes
// the list of kernels from the headers.
#define KERNEL(name) extern __typeof__(name) plain_##name;
#include "kernels.inc"
#undef KERNEL

/// Calls a kernel and its plain version; the first argument is where the results go.
#define BOTH(kernel, result, expected, ...) \
  do {                                      \
    kernel(result, __VA_ARGS__);            \
    plain_##kernel(expected, __VA_ARGS__);  \
  } while (0)

enum { MAX_ROWS = 9 };

/// Begins the check of a kernel for one shape. It may use the arrays of the check before it; older ones are gone.
void begin(const char *kernel, const char *shape, ...) __attribute__((format(printf, 2, 3)));
/// Ends the last check; returns the number of failures and, in `checks`, of checks.
int finish(int *checks);
/// Whether there was a check of a kernel.
bool was_checked(const char *kernel);

/// Memory whose end is followed by a page that nobody may read, full of bytes 255: floats of NaN.
void *room(size_t bytes);
float *floats(size_t n);
double *doubles(size_t n);
float *copy(const float *x, size_t n);
/// The magnitudes of x: a sum of products of magnitudes bounds the rounding of the sum of products.
float *absolute(const float *x, size_t n);

uint32_t random_word(void);
float normal(void);
float *normals(size_t n);
/// Whole numbers from -4 to 4, whose sums of squares are exact in float32.
float *whole_numbers(size_t n);

/// Fails unless |result - expected| is at most 2 `roundings` 2^-24 magnitude, element by element: both may be
/// `roundings` off. What is expected must be finite.
void near(const char *what, const float *result, const float *expected, const float *magnitude,
          double roundings, size_t n);
void near_doubles(const char *what, const double *result, const double *expected,
                  const double *magnitude, double roundings, size_t n);
/// Fails unless all bits are equal.
void equal_floats(const char *what, const float *result, const float *expected, size_t n);
void equal(const char *what, const void *result, const void *expected, size_t bytes);
void equal_numbers(const char *what, double result, double expected);

void check_elementwise(void);
void check_activations(void);
void check_norms(void);
void check_softmax(void);
void check_random(void);
void check_images(void);
void check_codes(void);
void check_packed_layers(void);
void check_attention(void);
void check_draws(void);
