#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>

#include "CImageCodecs.h"

// A few bytes can announce thousands of progressive scans over a large image, minutes of work; ordinary files have
// about ten.
enum { max_scans = 500 };

typedef struct {
  struct jpeg_decompress_struct decompress;
  struct jpeg_error_mgr errors;
  struct jpeg_progress_mgr progress;
  jmp_buf jump;
  uint32_t max_side;
  uint64_t max_pixels;
  CodecImage *image;
} Reader;

static void on_error(j_common_ptr common) {
  Reader *reader = common->client_data;
  char text[JMSG_LENGTH_MAX];
  common->err->format_message(common, text);
  strncpy(reader->image->message, text, CODEC_MESSAGE_CAPACITY - 1);
  longjmp(reader->jump, 1);
}

// libjpeg fills what is missing with grey and only warns. Of its warnings these mean lost pixels.
static void on_message(j_common_ptr common, int level) {
  if (level >= 0) return;
  switch (common->err->msg_code) {
    case JWRN_JPEG_EOF:
    case JWRN_HIT_MARKER:
    case JWRN_HUFF_BAD_CODE:
    case JWRN_ARITH_BAD_CODE:
    case JWRN_MUST_RESYNC: on_error(common);
  }
}

static void on_progress(j_common_ptr common) {
  Reader *reader = common->client_data;
  if (common->is_decompressor && reader->decompress.input_scan_number > max_scans) {
    strcpy(reader->image->message, "more than 500 scans");
    longjmp(reader->jump, 1);
  }
}

static CodecStatus read_image(Reader *reader, const uint8_t *bytes, size_t count) {
  struct jpeg_decompress_struct *decompress = &reader->decompress;
  CodecImage *image = reader->image;
  if (setjmp(reader->jump)) return CODEC_MALFORMED;
  jpeg_create_decompress(decompress);
  decompress->progress = &reader->progress;
  jpeg_mem_src(decompress, bytes, count);
  jpeg_read_header(decompress, TRUE);
  image->width = decompress->image_width;
  image->height = decompress->image_height;
  if (image->width > reader->max_side || image->height > reader->max_side ||
      (uint64_t)image->width * image->height > reader->max_pixels)
    return CODEC_TOO_LARGE;
  decompress->out_color_space = decompress->num_components == 4 ? JCS_CMYK : JCS_RGB;
  jpeg_start_decompress(decompress);
  image->channels = decompress->output_components;
  size_t row_size = (size_t)image->width * image->channels;
  image->pixels = malloc(row_size * image->height);
  if (image->pixels == NULL) return CODEC_NO_MEMORY;
  while (decompress->output_scanline < decompress->output_height) {
    JSAMPROW row = image->pixels + decompress->output_scanline * row_size;
    jpeg_read_scanlines(decompress, &row, 1);
  }
  jpeg_finish_decompress(decompress);
  return CODEC_OK;
}

CodecStatus codec_decode_jpeg(const uint8_t *bytes, size_t count, uint32_t max_side,
                              uint64_t max_pixels, CodecImage *image) {
  memset(image, 0, sizeof *image);
  Reader reader;
  memset(&reader, 0, sizeof reader);
  reader.max_side = max_side;
  reader.max_pixels = max_pixels;
  reader.image = image;
  reader.decompress.err = jpeg_std_error(&reader.errors);
  reader.decompress.client_data = &reader;
  reader.errors.error_exit = on_error;
  reader.errors.emit_message = on_message;
  reader.progress.progress_monitor = on_progress;
  CodecStatus status = read_image(&reader, bytes, count);
  jpeg_destroy_decompress(&reader.decompress);
  return status;
}
