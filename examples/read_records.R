# Reads the records of any file of Tessera in R. Needs the package jsonlite and the zstd program.
#
#     Rscript read_records.R FILE        prints kind, names, shapes and sums, one line per record
#
# From another script: source("read_records.R"); records <- read_records("emoji.tokens.zst"). Each record is a list of
# `metadata` (strings) and `tensors` (arrays). Arrays have R's column-major order: their sizes are those of the file,
# reversed, so that tokens [images, views, places] come as [places, views, images].

library(jsonlite)

read_records <- function(path) {
  if (!file.exists(path)) stop(path, ": no such file")
  plain <- is_plain(path)
  con <- if (plain) file(path, "rb") else pipe(paste("zstd -dcq", shQuote(path)), "rb")
  on.exit(if (!is.null(con)) close(con))
  records <- list()
  while (length(length_bytes <- readBin(con, "raw", 8)) > 0) {
    records[[length(records) + 1]] <- read_record(con, whole(length_bytes, 8, path), path)
  }
  status <- close(con)
  con <- NULL
  # zstd has verified the checksums; its status says whether all of them were right.
  if (!plain && !is.null(status) && status != 0) stop(path, ": not a whole zstd file")
  if (!plain) check_end(path, records)
  records
}

# A safetensors blob without compression has its header's first character at byte 8.
is_plain <- function(path) {
  start <- readBin(path, "raw", 9)
  length(start) == 9 && start[9] == charToRaw("{") && !identical(start[1:4], as.raw(c(0x28, 0xb5, 0x2f, 0xfd)))
}

read_record <- function(con, length_bytes, path) {
  size <- sum(as.integer(length_bytes) * 256^(0:7))
  if (size > 1e8) stop(path, ": expected a header of at most 100,000,000 bytes; found ", size)
  text <- rawToChar(whole(readBin(con, "raw", size), size, path))
  Encoding(text) <- "UTF-8"
  header <- fromJSON(text, simplifyVector = TRUE)
  entries <- header[names(header) != "__metadata__"]
  begins <- vapply(entries, function(e) as.numeric(e$data_offsets[1]), 0)
  tensors <- lapply(entries[order(begins)], function(e) {
    size <- diff(as.numeric(e$data_offsets))
    x <- numbers(whole(readBin(con, "raw", size), size, path), e$dtype)
    if (length(e$shape) > 1) array(x, rev(e$shape)) else x
  })
  list(metadata = as.list(header[["__metadata__"]]), tensors = tensors)
}

whole <- function(bytes, size, path) {
  if (length(bytes) < size) stop(path, ": the file ends within a record")
  bytes
}

# The numbers of a tensor. R has integers of 31 bits only: larger types come as doubles, exact up to 2^53.
numbers <- function(bytes, dtype) {
  width <- as.integer(sub("[A-Z]+", "", if (dtype == "BOOL") "U8" else dtype)) / 8
  n <- length(bytes) / width
  words <- function(signed) readBin(bytes, "integer", n, min(width, 4), signed = signed, endian = "little")
  unsigned <- function(x) ifelse(is.na(x), 2^31, ifelse(x < 0, x + 2^32, x))
  pairs <- function() {
    x <- readBin(bytes, "integer", 2 * n, 4, endian = "little")
    list(low = unsigned(x[c(TRUE, FALSE)]), high = x[c(FALSE, TRUE)])
  }
  switch(dtype,
    BOOL = words(FALSE) != 0,
    U8 = , U16 = words(FALSE),
    I8 = , I16 = words(TRUE),
    U32 = { x <- words(TRUE); if (anyNA(x) || any(x < 0)) unsigned(x) else x },
    I32 = { x <- words(TRUE); ifelse(is.na(x), -2^31, x) },
    U64 = with(pairs(), low + 2^32 * unsigned(high)),
    I64 = with(pairs(), low + 2^32 * ifelse(is.na(high), -2^31, high)),
    F16 = half(words(FALSE)),
    # The upper half of a float32.
    BF16 = readBin(as.raw(rbind(0, 0, matrix(as.integer(bytes), 2))), "double", n, 4, endian = "little"),
    F32 = , F64 = readBin(bytes, "double", n, width, endian = "little"),
    stop("unknown type ", dtype))
}

half <- function(bits) {
  sign <- ifelse(bits >= 32768, -1, 1)
  exponent <- bits %/% 1024 %% 32
  fraction <- bits %% 1024
  sign * ifelse(exponent == 0, fraction * 2^-24,
         ifelse(exponent == 31, ifelse(fraction == 0, Inf, NaN), (1024 + fraction) * 2^(exponent - 25)))
}

# The last 36 bytes of a file must be an end mark, unless the file is one record that does not promise one. Without this
# check a file that was cut between two records would look whole. The counts of the mark are not compared.
check_end <- function(path, records) {
  promised <- any(vapply(records, function(record) !is.null(record$metadata$end_mark), TRUE))
  size <- file.size(path)
  con <- file(path, "rb")
  on.exit(close(con))
  seek(con, max(0, size - 36))
  mark <- readBin(con, "raw", 36)
  expected <- c(as.raw(c(0x5e, 0x2a, 0x4d, 0x18, 28, 0, 0, 0)), charToRaw("TESSERAEND"), as.raw(c(1, 0)))
  if ((length(records) != 1 || promised) && !identical(mark[1:20], expected)) stop(path, ": the file ends before its end mark")
}

if (sys.nframe() == 0) {
  for (record in read_records(commandArgs(trailingOnly = TRUE)[1])) {
    tensors <- record$tensors[order(names(record$tensors))]
    words <- vapply(names(tensors), function(name) {
      x <- tensors[[name]]
      shape <- if (is.null(dim(x))) length(x) else rev(dim(x))
      sprintf("%s [%s] %.15g", name, paste(shape, collapse = ", "), sum(as.numeric(x)))
    }, "")
    cat(paste(c(record$metadata$kind, words), collapse = "; "), "\n", sep = "")
  }
}
