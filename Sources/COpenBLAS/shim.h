// OpenBLAS: matrix products, and the LAPACK symbols that Debian ships without a header.
#pragma once
#include <cblas.h>
