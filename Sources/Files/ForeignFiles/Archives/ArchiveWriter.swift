import CArchive
import StreamFormat

/// Writes a zip archive of stored (not compressed) members as a stream, by libarchive: zip64 where a member or the
/// archive needs it, no time stamps, so that the same members give the same bytes.
public final class ArchiveWriter {
  private let archive: OpaquePointer
  private let target: Target

  /// What libarchive's bytes go to, and what went wrong there.
  private final class Target {
    let sink: ByteSink
    var failure: Error?
    init(_ sink: ByteSink) { self.sink = sink }
  }

  /// An archive without members yet.
  /// - Throws: ``StreamError``.
  public init(_ sink: ByteSink) throws {
    guard let archive = archive_write_new() else { fatalError("out of memory") }
    (self.archive, target) = (archive, Target(sink))
    archive_write_set_format_zip(archive)
    archive_write_zip_set_compression_store(archive)
    archive_write_set_bytes_per_block(archive, 1 << 20)
    // No padding behind the end.
    archive_write_set_bytes_in_last_block(archive, 1)
    try check(
      archive_write_open(
        archive, Unmanaged.passUnretained(target).toOpaque(), nil,
        { _, context, bytes, count in
          let target = Unmanaged<Target>.fromOpaque(context!).takeUnretainedValue()
          do {
            try target.sink.write(UnsafeRawBufferPointer(start: bytes, count: count))
            return count
          } catch {
            target.failure = error
            return -1
          }
        }, nil))
  }

  deinit {
    archive_write_fail(archive)
    archive_write_free(archive)
  }

  /// Starts a member of `size` bytes, which ``write(_:)`` gives.
  /// - Throws: ``StreamError``.
  public func begin(_ name: String, size: Int) throws {
    let entry = archive_entry_new()
    defer { archive_entry_free(entry) }
    archive_entry_set_pathname(entry, name)
    // A regular file, as stat has it.
    archive_entry_set_filetype(entry, 0o100_000)
    archive_entry_set_perm(entry, 0o644)
    archive_entry_set_size(entry, la_int64_t(size))
    try check(archive_write_header(archive, entry))
  }

  /// Writes what follows of the member.
  /// - Throws: ``StreamError``.
  public func write(_ bytes: UnsafeRawBufferPointer) throws {
    var rest = bytes
    while !rest.isEmpty {
      let count = archive_write_data(archive, rest.baseAddress, min(rest.count, 1 << 28))
      try check(Int32(clamping: min(count, 0)))
      precondition(count > 0, "a member that is longer than was said")
      rest = UnsafeRawBufferPointer(rebasing: rest[count...])
    }
  }

  /// Ends the archive with its directory.
  /// - Throws: ``StreamError``.
  public func finish() throws { try check(archive_write_close(archive)) }

  private func check(_ status: Int32) throws {
    if status == ARCHIVE_OK { return }
    if let failure = target.failure { throw failure }
    preconditionFailure(
      "libarchive: \(archive_error_string(archive).map { String(cString: $0) } ?? "failure")")
  }
}
