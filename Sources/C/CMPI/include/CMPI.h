// A thin shim over MPI: what a training needs of it, on the communicator of all ranks. At most one call is made at a time.
// MPI's own error handler ends all ranks where a call fails, so that no function returns a status.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// Joins the ranks. Once per process.
/// Returns whether calls may come from any thread, one at a time; if not, they must all come from this one.
bool tsr_mpi_start(void);
/// Waits until all ranks are here, and leaves them.
void tsr_mpi_finish(void);
/// Ends all ranks with this status.
void tsr_mpi_abort(int status);

int tsr_mpi_rank(void);
int tsr_mpi_count(void);
/// Writes the library's name and version, as it says it, into `text`; can be called before the start.
void tsr_mpi_library(char *text, size_t size);

/// Sends floats to a rank while it sends some to this one.
void tsr_mpi_exchange(int partner, const float *sent, int sent_count, float *received,
                      int received_count);
/// all [ranks] = the `size` of each rank.
void tsr_mpi_gather_sizes(uint64_t size, uint64_t *all);
/// all = the bytes of all ranks; those of rank r are `sizes[r]` from `offsets[r]` on.
void tsr_mpi_gather_bytes(const uint8_t *own, int size, uint8_t *all, const int *sizes,
                          const int *offsets);
