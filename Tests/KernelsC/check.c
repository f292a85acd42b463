#include "check.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MAX_ROOMS = 64, MAX_KERNELS = 100, MAX_MESSAGES = 20 };

typedef struct {
  uint8_t *start, *end;
  size_t before, bytes;
  bool old;  // of the check before this one
} memory;

static struct {
  const char *kernel;
  char shape[120];
  bool failed;
  memory rooms[MAX_ROOMS];
  size_t room_count;
} current;
static const char *checked[MAX_KERNELS];
static size_t kernel_count;
static int failures, check_count;

static void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void fail(const char *format, ...) {
  if (current.failed) return;
  current.failed = true;
  if (++failures > MAX_MESSAGES) return;
  va_list arguments;
  va_start(arguments, format);
  fprintf(stderr, "%s, %s: ", current.kernel, current.shape);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  va_end(arguments);
}

// The next page after an array, and what a processor does not know.
static void crashed(int number) {
  fprintf(stderr, "%s, %s: %s\n", current.kernel, current.shape,
          number == SIGILL ? "an instruction that this processor does not have"
                           : "reads or writes beyond an array");
  _exit(1);
}

// Looks before each array; frees those of the check before the last one, or all.
static void end_check(bool last) {
  size_t kept = 0;
  for (size_t i = 0; i < current.room_count; i++) {
    memory *m = &current.rooms[i];
    for (size_t j = 0; j < m->before; j++)
      if (m->start[j] != 0xff) {
        fail("writes before an array");
        break;
      }
    if (m->old || last) {
      munmap(m->start, (size_t)(m->end - m->start));
    } else {
      m->old = true;
      current.rooms[kept++] = *m;
    }
  }
  current.room_count = kept;
}

void begin(const char *kernel, const char *shape, ...) {
  if (check_count++ == 0)
    signal(SIGSEGV, crashed), signal(SIGBUS, crashed), signal(SIGILL, crashed);
  end_check(false);
  if (!was_checked(kernel) && kernel_count < MAX_KERNELS) checked[kernel_count++] = kernel;
  current.kernel = kernel;
  current.failed = false;
  va_list arguments;
  va_start(arguments, shape);
  vsnprintf(current.shape, sizeof current.shape, shape, arguments);
  va_end(arguments);
}

int finish(int *checks) {
  end_check(true);
  *checks = check_count;
  return failures;
}

bool was_checked(const char *kernel) {
  for (size_t i = 0; i < kernel_count; i++)
    if (strcmp(checked[i], kernel) == 0) return true;
  return false;
}

void *room(size_t bytes) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE), whole = (bytes + page - 1) / page * page;
  uint8_t *start =
      mmap(NULL, whole + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (start == MAP_FAILED || current.room_count == MAX_ROOMS ||
      mprotect(start + whole, page, PROT_NONE) != 0) {
    fprintf(stderr, "%s, %s: no memory\n", current.kernel, current.shape);
    exit(1);
  }
  memset(start, 0xff, whole);
  current.rooms[current.room_count++] =
      (memory){start, start + whole + page, whole - bytes, bytes, false};
  return start + whole - bytes;
}

float *floats(size_t n) { return room(n * sizeof(float)); }
double *doubles(size_t n) { return room(n * sizeof(double)); }

float *copy(const float *x, size_t n) { return memcpy(floats(n), x, n * sizeof(float)); }

float *absolute(const float *x, size_t n) {
  float *y = floats(n);
  for (size_t i = 0; i < n; i++) y[i] = fabsf(x[i]);
  return y;
}

uint32_t random_word(void) {
  static uint64_t state;  // splitmix64
  uint64_t z = state += 0x9e3779b97f4a7c15u;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return (uint32_t)(z >> 32);
}

float normal(void) {
  double u = (random_word() + 0.5) / 4294967296.0, v = random_word() / 4294967296.0;
  return (float)(sqrt(-2 * log(u)) * cos(6.283185307179586 * v));
}

float *normals(size_t n) {
  float *x = floats(n);
  for (size_t i = 0; i < n; i++) x[i] = normal();
  return x;
}

float *whole_numbers(size_t n) {
  float *x = floats(n);
  for (size_t i = 0; i < n; i++) x[i] = (float)(random_word() % 9) - 4;
  return x;
}

static bool is_near(const char *what, size_t i, double result, double expected, double magnitude,
                    double roundings) {
  double allowed = 2 * roundings * 0x1p-24 * magnitude, difference = fabs(result - expected);
  if (isfinite(expected) && difference <= allowed) return true;
  fail("%s[%zu] is %.9g, expected %.9g: differs by %.3g, allowed %.3g", what, i, result, expected,
       difference, allowed);
  return false;
}

void near(const char *what, const float *result, const float *expected, const float *magnitude,
          double roundings, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (!is_near(what, i, result[i], expected[i], magnitude[i], roundings)) return;
}

void near_doubles(const char *what, const double *result, const double *expected,
                  const double *magnitude, double roundings, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (!is_near(what, i, result[i], expected[i], magnitude[i], roundings)) return;
}

void equal(const char *what, const void *result, const void *expected, size_t bytes) {
  const uint8_t *a = result, *b = expected;
  for (size_t i = 0; i < bytes; i++)
    if (a[i] != b[i]) {
      fail("%s: byte %zu is %u, expected %u", what, i, a[i], b[i]);
      return;
    }
}

void equal_floats(const char *what, const float *result, const float *expected, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (memcmp(result + i, expected + i, sizeof(float)) != 0) {
      fail("%s[%zu] is %.9g, expected %.9g: differs by %.3g, allowed 0", what, i, result[i],
           expected[i], fabs((double)result[i] - expected[i]));
      return;
    }
}

void equal_numbers(const char *what, double result, double expected) {
  if (result != expected) fail("%s is %.17g, expected %.17g", what, result, expected);
}
