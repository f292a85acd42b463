import Glibc

/// The largest size of an image file, in bytes. A sparse file or a device could claim more than memory holds.
private let maximumFileSize = 1 << 30

/// The whole of a file. Throws `ImageError.notFound`, `.unreadable` or `.unknownFormat`.
func readFile(_ path: String) throws(ImageError) -> [UInt8] {
  let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
  guard descriptor >= 0 else { throw systemError(path, expected: "an image file") }
  defer { close(descriptor) }
  var status = stat()
  guard fstat(descriptor, &status) == 0 else { throw systemError(path, expected: "an image file") }
  // A pipe without a writer would never end, and an image is read more than once.
  if ![S_IFREG, S_IFDIR].contains(status.st_mode & S_IFMT) {
    throw .unknownFormat(file: path, found: status.st_mode & S_IFMT == S_IFIFO ? "a pipe" : "a device")
  }
  let tooLarge = ImageError.unreadable(file: path, reason: "larger than 1 GiB")
  if status.st_size > maximumFileSize { throw tooLarge }
  var bytes = [UInt8]()
  // A pipe or a file under /proc says it has no bytes: its size is a first guess only.
  var capacity = max(Int(status.st_size) + 1, 4096)
  while true {
    let added = try readChunk(descriptor, capacity, path)
    bytes += added
    if bytes.count > maximumFileSize { throw tooLarge }
    if added.count < capacity && !isPartial(status, bytes.count, added.count) { return bytes }
    capacity = max(4096, min(capacity, 1 << 20))
  }
}

/// Short reads are the end for a regular file whose size was known; elsewhere only an empty read is.
private func isPartial(_ status: stat, _ total: Int, _ added: Int) -> Bool {
  added > 0 && !(status.st_mode & S_IFMT == S_IFREG && total == Int(status.st_size))
}

private func readChunk(_ descriptor: Int32, _ capacity: Int, _ path: String) throws(ImageError) -> [UInt8] {
  var failure: Int32 = 0
  let chunk = [UInt8](unsafeUninitializedCapacity: capacity) { buffer, count in
    var result: Int
    repeat { result = read(descriptor, buffer.baseAddress, capacity) } while result < 0 && errno == EINTR
    failure = result < 0 ? errno : 0
    count = max(result, 0)
  }
  if failure != 0 { throw .unreadable(file: path, reason: String(cString: strerror(failure))) }
  return chunk
}

/// The error for the current `errno`.
func systemError(_ path: String, expected: String) -> ImageError {
  let code = errno
  if code == ENOENT || code == ENOTDIR { return .notFound(file: path, expected: expected) }
  return .unreadable(file: path, reason: String(cString: strerror(code)))
}
