import FoundationEssentials
import Glibc
import StreamFormat

/// The bytes of a regular file of at most a number of bytes: a pipe may never begin, a device may never end, and a sparse file
/// may claim more than memory holds.
/// - Throws: `StreamError` where it cannot be opened or read; ``ForeignFileError`` for what is no such file.
func bytesOfSmallFile(_ path: String, atMost limit: Int) throws -> [UInt8] {
  func unsuitable(_ found: String) -> ForeignFileError {
    ForeignFileError(
      defect: .malformed, file: path, offset: nil, expected: "a file of at most \(limit) bytes", found: found,
      hint: "remove it from the folder")
  }
  let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
  guard descriptor >= 0 else {
    let code = errno
    throw code == ENOENT || code == ENOTDIR
      ? StreamError.notFound(file: path) : StreamError.cannotOpen(file: path, errno: code)
  }
  defer { close(descriptor) }
  var status = stat()
  guard fstat(descriptor, &status) == 0 else { throw StreamError.readFailed(file: path, errno: errno) }
  guard status.st_mode & S_IFMT == S_IFREG else { throw unsuitable("a folder, a pipe or a device") }
  guard status.st_size <= limit else { throw unsuitable("\(status.st_size) bytes") }
  return try FileSource(descriptor: descriptor, name: path).readAll()
}
