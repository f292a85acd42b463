import Glibc

/// The largest size of an image file, in bytes. A sparse file or a device could claim more than memory holds.
private let maximumFileSize = 1 << 30

/// The whole of a regular file: a device may never end, and a pipe may never begin.
/// - Parameter limit: the bytes that are wanted, if not all are.
/// Throws `ImageError.notFound`, `.inaccessible`, `.unsuitable` or `.unreadable`.
func readFile(_ path: FilePath, limit: Int? = nil) throws(ImageError) -> [UInt8] {
  let descriptor = path.withCString { open($0, O_RDONLY | O_CLOEXEC | O_NONBLOCK) }
  guard descriptor >= 0 else { throw systemError(path, expected: "an image file") }
  defer { close(descriptor) }
  var status = stat()
  guard fstat(descriptor, &status) == 0 else { throw systemError(path, expected: "an image file") }
  let kind = status.st_mode & S_IFMT
  if kind == S_IFDIR { throw .unsuitable(file: "\(path)", found: "a folder") }
  if kind != S_IFREG { throw .unsuitable(file: "\(path)", found: "a pipe or a device") }
  let tooLarge = ImageError.unsuitable(file: "\(path)", found: "more than 1 GiB")
  if status.st_size > maximumFileSize { throw tooLarge }
  if let limit { return try readChunk(descriptor, limit, path) }
  var bytes = [UInt8]()
  // A file under /proc says it has no bytes: its size is a first guess only.
  var capacity = max(Int(status.st_size) + 1, 4096)
  while true {
    let added = try readChunk(descriptor, capacity, path)
    bytes += added
    if bytes.count > maximumFileSize { throw tooLarge }
    if added.isEmpty || added.count < capacity && bytes.count == Int(status.st_size) { return bytes }
    capacity = max(4096, min(capacity, 1 << 20))
  }
}

private func readChunk(_ descriptor: Int32, _ capacity: Int, _ path: FilePath) throws(ImageError) -> [UInt8] {
  var failure: Int32 = 0
  let chunk = [UInt8](unsafeUninitializedCapacity: capacity) { buffer, count in
    var result: Int
    repeat { result = read(descriptor, buffer.baseAddress, capacity) } while result < 0 && errno == EINTR
    failure = result < 0 ? errno : 0
    count = max(result, 0)
  }
  if failure != 0 { throw .unreadable(file: "\(path)", reason: String(cString: strerror(failure))) }
  return chunk
}

/// The error for the current `errno`, by whether the file is not there, may not be looked at, is not a file that can be
/// read, or could not be read.
func systemError(_ path: FilePath, expected: String) -> ImageError {
  let code = errno
  let (file, reason) = ("\(path)", String(cString: strerror(code)))
  switch code {
  case ENOENT, ENOTDIR: return .notFound(file: file, expected: expected)
  case EACCES, EPERM: return .inaccessible(file: file, reason: reason)
  case ELOOP, ENAMETOOLONG, ENXIO, ENODEV, EINVAL: return .unsuitable(file: file, found: reason)
  default: return .unreadable(file: file, reason: reason)
  }
}

extension FilePath {
  /// The bytes of an image file.
  /// - Throws: `ImageError.notFound`, `.inaccessible`, `.unsuitable` or `.unreadable`.
  public func readAll() throws(ImageError) -> [UInt8] { try readFile(self) }
}
