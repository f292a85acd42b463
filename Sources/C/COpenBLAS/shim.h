// OpenBLAS: matrix products, and the LAPACK symbols that Debian ships without a header.
#pragma once
#include <cblas.h>
#include <stddef.h>

// LAPACK, column-major. The last arguments are the lengths of the text arguments, which Fortran
// compilers pass by value at the end.

/// All eigenvalues (jobz "N"), and eigenvectors ("V"), of a symmetric matrix, by divide and conquer.
void dsyevd_(const char *jobz, const char *uplo, const int *n, double *a, const int *lda, double *w,
             double *work, const int *lwork, int *iwork, const int *liwork, int *info, size_t,
             size_t);

/// Cholesky factor of a positive semi-definite matrix with complete pivoting.
void dpstrf_(const char *uplo, const int *n, double *a, const int *lda, int *piv, int *rank,
             const double *tol, double *work, int *info, size_t);
