#pragma once
// PNG and JPEG between memory and memory. libpng and libjpeg report errors with longjmp, which must not
// cross Swift frames: these functions catch them and hand back a status and a message.
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CODEC_MESSAGE_CAPACITY 256

typedef enum {
  CODEC_OK = 0,
  CODEC_MALFORMED = 1,
  CODEC_TOO_LARGE = 2,
  CODEC_NO_MEMORY = 3,
} CodecStatus;

typedef struct {
  uint32_t width;
  uint32_t height;
  // 3: RGB. 4: RGBA from a PNG, inverted CMYK (255 is no ink) from a JPEG. Interleaved, rows without padding.
  uint32_t channels;
  uint8_t *pixels;
  // Of a PNG, where it has them, ending in 0: the texts "Raw profile type exif" or "Raw profile type APP1", and
  // "XML:com.adobe.xmp", decompressed.
  char *exif_profile;
  char *xmp_packet;
  char message[CODEC_MESSAGE_CAPACITY];
} CodecImage;

typedef struct {
  uint8_t *bytes;
  size_t count;
  size_t capacity;
  char message[CODEC_MESSAGE_CAPACITY];
} CodecBuffer;

// Both refuse images of more than max_pixels, or with a side above max_side, before allocating the pixels; width
// and height are then set. Whatever the status, release the image with codec_image_free. 16-bit samples keep their high
// byte, but those of grey images without transparency are cut at 255 with clip_grey16.
CodecStatus codec_decode_png(const uint8_t *bytes, size_t count, uint32_t max_side,
                             uint64_t max_pixels, bool clip_grey16, CodecImage *image);
CodecStatus codec_decode_jpeg(const uint8_t *bytes, size_t count, uint32_t max_side,
                              uint64_t max_pixels, CodecImage *image);
void codec_image_free(CodecImage *image);

// 8-bit RGB, no ancillary chunk. Release the buffer with codec_buffer_free.
CodecStatus codec_encode_png(const uint8_t *pixels, uint32_t width, uint32_t height,
                             CodecBuffer *output);
void codec_buffer_free(CodecBuffer *buffer);
