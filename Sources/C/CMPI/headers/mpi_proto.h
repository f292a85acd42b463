// MPICH's mpi.h asks for this header by its bare name, which only mpicc's flags would find in Debian's folder.
#pragma once
#if __has_include_next(<mpi_proto.h>)
#include_next <mpi_proto.h>
#else
#include <mpi/mpi_proto.h>
#endif
