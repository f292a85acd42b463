// Debian has the header of the chosen MPI in a folder of its own.
#if __has_include(<mpi.h>)
#define TSR_HAVE_MPI 1
#include <mpi.h>
#elif __has_include(<mpi/mpi.h>)
#define TSR_HAVE_MPI 1
#include <mpi/mpi.h>
#endif

#ifdef TSR_HAVE_MPI
#include <stdio.h>
#include <time.h>

#include "CMPI.h"

/// Between ranks of one machine a short message is there after a few.
#define POLLS_BEFORE_PAUSE 100

bool tsr_mpi_start(void) {
  int provided;
  MPI_Init_thread(NULL, NULL, MPI_THREAD_SERIALIZED, &provided);
  return provided >= MPI_THREAD_SERIALIZED;
}

void tsr_mpi_finish(void) { MPI_Finalize(); }

void tsr_mpi_abort(int status) { MPI_Abort(MPI_COMM_WORLD, status); }

int tsr_mpi_rank(void) {
  int rank;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  return rank;
}

int tsr_mpi_count(void) {
  int count;
  MPI_Comm_size(MPI_COMM_WORLD, &count);
  return count;
}

void tsr_mpi_library(char *text, size_t size) {
  char all[MPI_MAX_LIBRARY_VERSION_STRING];
  int length;
  MPI_Get_library_version(all, &length);
  snprintf(text, size, "%s", all);
}

void tsr_mpi_exchange(int partner, const float *sent, int sent_count, float *received,
                      int received_count) {
  MPI_Request requests[2];
  MPI_Irecv(received, received_count, MPI_FLOAT, partner, 0, MPI_COMM_WORLD, &requests[0]);
  MPI_Isend(sent, sent_count, MPI_FLOAT, partner, 0, MPI_COMM_WORLD, &requests[1]);
  // MPI's own waiting takes a processor, which the backward pass needs.
  const struct timespec pause = {.tv_sec = 0, .tv_nsec = 20000};
  int done;
  for (int polls = 0; MPI_Testall(2, requests, &done, MPI_STATUSES_IGNORE), !done; polls++)
    if (polls >= POLLS_BEFORE_PAUSE) nanosleep(&pause, NULL);
}

void tsr_mpi_gather_sizes(uint64_t size, uint64_t *all) {
  MPI_Allgather(&size, 1, MPI_UINT64_T, all, 1, MPI_UINT64_T, MPI_COMM_WORLD);
}

void tsr_mpi_gather_bytes(const uint8_t *own, int size, uint8_t *all, const int *sizes,
                          const int *offsets) {
  MPI_Allgatherv(own, size, MPI_BYTE, all, sizes, offsets, MPI_BYTE, MPI_COMM_WORLD);
}
#endif
