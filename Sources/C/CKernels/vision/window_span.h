#pragma once
#include <stddef.h>

#include "dispatch.h"

/// The part of a window that lies inside the image along one axis.
typedef struct {
  size_t first, count, kernel_first;
} tsr_span;

TSR_INLINE tsr_span tsr_inside(size_t position, size_t stride, size_t pad, size_t kernel,
                               size_t size) {
  ptrdiff_t start = (ptrdiff_t)(position * stride) - (ptrdiff_t)pad;
  ptrdiff_t end = start + (ptrdiff_t)kernel;
  ptrdiff_t first = start < 0 ? 0 : start, last = end > (ptrdiff_t)size ? (ptrdiff_t)size : end;
  return (tsr_span){(size_t)first, last > first ? (size_t)(last - first) : 0,
                    (size_t)(first - start)};
}
