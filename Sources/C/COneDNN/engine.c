#define _GNU_SOURCE
#include "engine.h"

#ifdef TSR_HAVE_DNNL
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>

#include "COneDNN.h"

static dnnl_engine_t engine;
static char version_text[32];
static void (*set_openmp_threads)(int);
static pthread_once_t once = PTHREAD_ONCE_INIT;

// oneDNN's engine is immutable and safe to share; it is made once, on first use.
static void start(void) {
  dnnl_engine_create(&engine, dnnl_cpu, 0);
  const dnnl_version_t *v = dnnl_version();
  snprintf(version_text, sizeof version_text, "%d.%d.%d", v->major, v->minor, v->patch);
  // Debian's oneDNN brings its OpenMP runtime along; we have no header for it and need one call.
  *(void **)&set_openmp_threads = dlsym(RTLD_DEFAULT, "omp_set_num_threads");
}

dnnl_engine_t tsr_dnnl_engine(void) {
  pthread_once(&once, start);
  return engine;
}

void tsr_dnnl_single_thread(void) {
  static _Thread_local int done = 0;
  if (done) return;
  pthread_once(&once, start);
  if (set_openmp_threads) set_openmp_threads(1);
  done = 1;
}

const char *tsr_dnnl_version_text(void) {
  pthread_once(&once, start);
  return version_text;
}
#endif
