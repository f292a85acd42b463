// libFuzzer target: zip archives as ArchiveReader in Sources/Files/ForeignFiles reads them. No member may reach beyond
// what libarchive has said of it.
#include <archive.h>
#include <archive_entry.h>
#include <stdint.h>
#include <stdlib.h>

enum { block_size = 1 << 20, most = 1 << 24 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
  struct archive *archive = archive_read_new();
  archive_read_support_format_zip_seekable(archive);
  size_t total = 0;
  if (archive_read_open_memory2(archive, bytes, count, block_size) == ARCHIVE_OK) {
    struct archive_entry *entry;
    int status;
    while ((status = archive_read_next_header(archive, &entry)) == ARCHIVE_OK ||
           status == ARCHIVE_WARN) {
      const void *block;
      size_t size;
      la_int64_t offset;
      volatile uint8_t sum = 0;
      while (total < most &&
             archive_read_data_block(archive, &block, &size, &offset) == ARCHIVE_OK) {
        if (offset < 0) abort();
        for (size_t i = 0; i < size; i++) sum ^= ((const uint8_t *)block)[i];
        total += size;
      }
      if (total >= most) break;
    }
  }
  archive_read_free(archive);
  return 0;
}
