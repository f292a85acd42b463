// libFuzzer target: JPEG files through the codec. What decodes must decode to the same pixels again.
#include <stdlib.h>
#include <string.h>

#include "CImageCodecs.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
  CodecImage image, again;
  CodecStatus status = codec_decode_jpeg(bytes, count, 65500, 1 << 20, &image);
  if (memchr(image.message, 0, sizeof image.message) == NULL) abort();
  if (status == CODEC_OK) {
    if (codec_decode_jpeg(bytes, count, 65500, 1 << 20, &again) != CODEC_OK) abort();
    size_t size = (size_t)image.width * image.height * image.channels;
    if (memcmp(again.pixels, image.pixels, size) != 0) abort();
    codec_image_free(&again);
  }
  codec_image_free(&image);
  return 0;
}
