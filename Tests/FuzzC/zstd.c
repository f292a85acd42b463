// libFuzzer target: zstd frames as ZstdDecoder in Sources/Files/StreamFormat reads them: piece by piece, with a bound on
// the window. The pieces must not change the result.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

enum { window_log = 27, most = 1 << 20 };

// The number of decompressed bytes; the status of the last call goes to `status`.
static size_t decompress(const uint8_t *bytes, size_t count, size_t piece, uint8_t *target,
                         size_t *status) {
  ZSTD_DCtx *context = ZSTD_createDCtx();
  ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, window_log);
  ZSTD_inBuffer input = {bytes, 0, 0};
  ZSTD_outBuffer output = {target, most, 0};
  *status = 1;
  while (input.pos < count || input.size < count) {
    input.size = input.size + piece < count ? input.size + piece : count;
    *status = ZSTD_decompressStream(context, &output, &input);
    if (ZSTD_isError(*status) || *status == 0 || output.pos == output.size) break;
    if (input.size == count && input.pos == count) break;
  }
  ZSTD_freeDCtx(context);
  return output.pos;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
  static uint8_t whole[most], parts[most];
  size_t whole_status, parts_status;
  size_t whole_size = decompress(bytes, count, count, whole, &whole_status);
  size_t parts_size = decompress(bytes, count, 7, parts, &parts_status);
  if (whole_status == 0 && whole_size < most) {
    if (parts_status != 0 || parts_size != whole_size) abort();
    if (memcmp(whole, parts, whole_size) != 0) abort();
  }
  return 0;
}
