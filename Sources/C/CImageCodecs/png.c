#include <png.h>
#include <stdlib.h>
#include <string.h>

#include "CImageCodecs.h"

// Everything that changes after setjmp lives in the caller's frame: locals of the frame that called setjmp would be
// indeterminate after longjmp.
typedef struct {
  const uint8_t *bytes;
  size_t count;
  size_t position;
  uint32_t max_side;
  uint64_t max_pixels;
  bool clip_grey16;
  CodecImage *image;
  png_structp png;
  png_infop info;
  png_bytepp rows;
} Reader;

static void copy_message(char *target, const char *source) {
  strncpy(target, source, CODEC_MESSAGE_CAPACITY - 1);
  target[CODEC_MESSAGE_CAPACITY - 1] = 0;
}

static void on_error(png_structp png, png_const_charp message) {
  copy_message(png_get_error_ptr(png), message);
  png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp message) {
  (void)png;
  (void)message;
}

static void read_bytes(png_structp png, png_bytep target, size_t wanted) {
  Reader *reader = png_get_io_ptr(png);
  if (wanted > reader->count - reader->position) png_error(png, "the file ends too early");
  memcpy(target, reader->bytes + reader->position, wanted);
  reader->position += wanted;
}

// Whether every chunk up to IEND lies in the file. libpng takes memory for some chunks before it reads them, as much as
// their length says.
static bool chunks_lie_in_file(const Reader *reader) {
  size_t place = 8;
  while (place < reader->count) {
    size_t rest = reader->count - place;
    const uint8_t *chunk = reader->bytes + place;
    if (rest < 12 || png_get_uint_32(chunk) > rest - 12) return false;
    if (memcmp(chunk + 4, "IEND", 4) == 0) break;
    place += 12 + (size_t)png_get_uint_32(chunk);
  }
  return true;
}

// 16-bit samples to 8 bits, cut at 255.
static void clip_samples(png_structp png, png_row_infop row, png_bytep bytes) {
  (void)png;
  for (size_t i = 0; i < row->rowbytes / 2; i++)
    bytes[i] = bytes[2 * i] == 0 ? bytes[2 * i + 1] : 255;
}

static void request_rgb_or_rgba(png_structp png, png_infop info, bool clip_grey16) {
  png_set_expand(png);
  png_set_gray_to_rgb(png);
  if (clip_grey16 && png_get_bit_depth(png, info) == 16 &&
      png_get_color_type(png, info) == PNG_COLOR_TYPE_GRAY) {
    bool has_alpha = png_get_valid(png, info, PNG_INFO_tRNS) != 0;
    png_set_read_user_transform_fn(png, clip_samples);
    png_set_user_transform_info(png, NULL, 8, has_alpha ? 4 : 3);
  } else {
    png_set_strip_16(png);
  }
  png_set_interlace_handling(png);
  png_read_update_info(png, info);
}

static CodecStatus allocate(Reader *reader) {
  CodecImage *image = reader->image;
  image->channels = png_get_channels(reader->png, reader->info);
  size_t row_size = (size_t)image->width * image->channels;
  if (png_get_rowbytes(reader->png, reader->info) != row_size ||
      (image->channels != 3 && image->channels != 4))
    png_error(reader->png, "unsupported pixel layout");
  image->pixels = malloc(row_size * image->height);
  reader->rows = malloc(sizeof(png_bytep) * image->height);
  if (image->pixels == NULL || reader->rows == NULL) return CODEC_NO_MEMORY;
  for (uint32_t y = 0; y < image->height; y++) reader->rows[y] = image->pixels + y * row_size;
  return CODEC_OK;
}

// A copy of the first text of a key that a reader of the file would meet; NULL where there is none.
static char *copy_text(png_structp png, png_infop info, const char *key) {
  png_textp texts = NULL;
  int count = png_get_text(png, info, &texts, NULL);
  for (int i = 0; i < count; i++) {
    if (strcmp(texts[i].key, key) != 0 || texts[i].text == NULL) continue;
    size_t length = texts[i].compression >= PNG_ITXT_COMPRESSION_NONE ? texts[i].itxt_length
                                                                      : texts[i].text_length;
    char *copy = malloc(length + 1);
    if (copy == NULL) png_error(png, "out of memory");
    memcpy(copy, texts[i].text, length);
    copy[length] = 0;
    return copy;
  }
  return NULL;
}

static void copy_texts(Reader *reader) {
  CodecImage *image = reader->image;
  image->exif_profile = copy_text(reader->png, reader->info, "Raw profile type exif");
  if (image->exif_profile == NULL)
    image->exif_profile = copy_text(reader->png, reader->info, "Raw profile type APP1");
  image->xmp_packet = copy_text(reader->png, reader->info, "XML:com.adobe.xmp");
}

static CodecStatus read_image(Reader *reader) {
  if (setjmp(png_jmpbuf(reader->png))) return CODEC_MALFORMED;
  CodecImage *image = reader->image;
  if (!chunks_lie_in_file(reader)) png_error(reader->png, "the file ends too early");
  png_set_read_fn(reader->png, reader, read_bytes);
  // A damaged tRNS or PLTE chunk would otherwise be dropped with a warning, and the picture be another one.
  png_set_crc_action(reader->png, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
  png_set_user_limits(reader->png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
  // Each text may decompress to megabytes.
  png_set_chunk_cache_max(reader->png, 64);
  png_read_info(reader->png, reader->info);
  image->width = png_get_image_width(reader->png, reader->info);
  image->height = png_get_image_height(reader->png, reader->info);
  if (image->width > reader->max_side || image->height > reader->max_side ||
      (uint64_t)image->width * image->height > reader->max_pixels)
    return CODEC_TOO_LARGE;
  // Deflate expands at most 1032 times, so a short file that claims more is truncated or hostile.
  uint64_t stored = (uint64_t)png_get_rowbytes(reader->png, reader->info) * image->height;
  if (stored / 1032 > reader->count)
    png_error(reader->png, "the file is too short for its dimensions");
  request_rgb_or_rgba(reader->png, reader->info, reader->clip_grey16);
  CodecStatus status = allocate(reader);
  if (status != CODEC_OK) return status;
  png_read_image(reader->png, reader->rows);
  // Texts may also come after the pixels.
  png_read_end(reader->png, reader->info);
  copy_texts(reader);
  return CODEC_OK;
}

CodecStatus codec_decode_png(const uint8_t *bytes, size_t count, uint32_t max_side,
                             uint64_t max_pixels, bool clip_grey16, CodecImage *image) {
  memset(image, 0, sizeof *image);
  Reader reader = {.bytes = bytes,
                   .count = count,
                   .max_side = max_side,
                   .max_pixels = max_pixels,
                   .clip_grey16 = clip_grey16,
                   .image = image};
  reader.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, image->message, on_error, on_warning);
  if (reader.png == NULL) return CODEC_NO_MEMORY;
  reader.info = png_create_info_struct(reader.png);
  CodecStatus status = reader.info == NULL ? CODEC_NO_MEMORY : read_image(&reader);
  png_destroy_read_struct(&reader.png, &reader.info, NULL);
  free(reader.rows);
  return status;
}

void codec_image_free(CodecImage *image) {
  free(image->pixels);
  free(image->exif_profile);
  free(image->xmp_packet);
  image->pixels = NULL;
  image->exif_profile = NULL;
  image->xmp_packet = NULL;
}

static void write_bytes(png_structp png, png_bytep source, size_t added) {
  CodecBuffer *buffer = png_get_io_ptr(png);
  if (added > buffer->capacity - buffer->count) {
    size_t capacity = (buffer->count + added) * 2;
    uint8_t *bytes = realloc(buffer->bytes, capacity);
    if (bytes == NULL) png_error(png, "out of memory");
    buffer->bytes = bytes;
    buffer->capacity = capacity;
  }
  memcpy(buffer->bytes + buffer->count, source, added);
  buffer->count += added;
}

static void flush_bytes(png_structp png) { (void)png; }

static CodecStatus write_image(png_structp png, png_infop info, const uint8_t *pixels,
                               uint32_t width, uint32_t height, CodecBuffer *output) {
  if (setjmp(png_jmpbuf(png))) return CODEC_MALFORMED;
  png_set_write_fn(png, output, write_bytes, flush_bytes);
  // libpng refuses sides above a million by default, in writing too.
  png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
  png_set_compression_level(png, 6);
  png_set_filter(png, PNG_FILTER_TYPE_BASE, PNG_ALL_FILTERS);
  png_set_IHDR(png, info, width, height, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_write_info(png, info);
  for (uint32_t y = 0; y < height; y++) png_write_row(png, pixels + (size_t)y * width * 3);
  png_write_end(png, info);
  return CODEC_OK;
}

CodecStatus codec_encode_png(const uint8_t *pixels, uint32_t width, uint32_t height,
                             CodecBuffer *output) {
  memset(output, 0, sizeof *output);
  png_structp png =
      png_create_write_struct(PNG_LIBPNG_VER_STRING, output->message, on_error, on_warning);
  if (png == NULL) return CODEC_NO_MEMORY;
  png_infop info = png_create_info_struct(png);
  CodecStatus status =
      info == NULL ? CODEC_NO_MEMORY : write_image(png, info, pixels, width, height, output);
  png_destroy_write_struct(&png, &info);
  return status;
}

void codec_buffer_free(CodecBuffer *buffer) {
  free(buffer->bytes);
  buffer->bytes = NULL;
}
