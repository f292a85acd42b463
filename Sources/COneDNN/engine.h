// What the files of this shim share: one process-wide CPU engine, and one thread a call.
#pragma once
#if __has_include(<oneapi/dnnl/dnnl.h>)
#define TSR_HAVE_DNNL 1
#include <oneapi/dnnl/dnnl.h>

dnnl_engine_t tsr_dnnl_engine(void);
/// Tells oneDNN's OpenMP runtime to use only the calling thread.
void tsr_dnnl_single_thread(void);
#endif
