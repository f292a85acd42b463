// libFuzzer target: PNG files through the codec. What decodes must encode and decode to the same pixels.
#include <stdlib.h>
#include <string.h>

#include "CImageCodecs.h"

size_t LLVMFuzzerMutate(uint8_t *bytes, size_t count, size_t capacity);

enum { max_side = 65500, max_pixels = 1 << 22 };

static uint32_t crc32(const uint8_t *bytes, size_t count) {
  uint32_t crc = ~0u;
  for (size_t i = 0; i < count; i++) {
    crc ^= bytes[i];
    for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
  }
  return ~crc;
}

static uint32_t read_big_endian(const uint8_t *bytes) {
  return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

// Sets the checksum of each chunk right, so that changes get past it.
size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t count, size_t capacity, unsigned seed) {
  count = LLVMFuzzerMutate(bytes, count, capacity);
  if (seed % 8 == 0) return count;
  size_t place = 8;
  while (place + 12 <= count) {
    size_t length = read_big_endian(bytes + place);
    if (length > count - place - 12) break;
    uint32_t crc = crc32(bytes + place + 4, length + 4);
    for (int i = 0; i < 4; i++)
      bytes[place + 8 + length + (size_t)i] = (uint8_t)(crc >> (24 - 8 * i));
    place += 12 + length;
  }
  return count;
}

static void check_round_trip(const CodecImage *image) {
  CodecBuffer buffer;
  CodecImage copy;
  if (codec_encode_png(image->pixels, image->width, image->height, &buffer) != CODEC_OK) abort();
  if (codec_decode_png(buffer.bytes, buffer.count, max_side, max_pixels, false, &copy) != CODEC_OK)
    abort();
  if (copy.channels != 3 || copy.width != image->width || copy.height != image->height) abort();
  if (memcmp(copy.pixels, image->pixels, (size_t)image->width * image->height * 3) != 0) abort();
  codec_image_free(&copy);
  codec_buffer_free(&buffer);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
  for (int clip = 0; clip < 2; clip++) {
    CodecImage image;
    CodecStatus status = codec_decode_png(bytes, count, max_side, max_pixels, clip, &image);
    if (memchr(image.message, 0, sizeof image.message) == NULL) abort();
    if (status == CODEC_OK && image.channels == 3) check_round_trip(&image);
    codec_image_free(&image);
  }
  return 0;
}
