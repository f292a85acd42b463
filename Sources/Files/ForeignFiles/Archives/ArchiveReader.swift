import CArchive
import FoundationEssentials
import Glibc
import StreamFormat

/// The members of a zip or tar archive, one after the other in the order of the file, read by libarchive: of zip stored
/// or deflated, zip64 included; of tar uncompressed. A member that is read to its end has the checksum that the archive
/// has for it.
public final class ArchiveReader {
  private let mapped: MappedFile
  private var bytes: Data { mapped.bytes }
  private var file: String { mapped.name }
  private let archive: OpaquePointer
  private var name = ""
  /// Whether the member is a file with content of its own, and no symbolic link, device or pipe.
  private(set) var isRegular = true
  /// Whether the archive leaves out parts of the member that are zero.
  private var isSparse = false
  /// The member that this one is a second name of; nil of any other.
  private(set) var hardLink: String?
  /// The path that this member stands for, as the archive has it; nil of any other.
  private(set) var symbolicLink: String?
  private var block = UnsafeRawBufferPointer(start: nil, count: 0)
  private var blockOffset = 0
  private var isAtEnd = true
  private let hasMembers: Bool
  private let inUTF8 = UTF8Locale()
  /// The folders that the members so far are in, and those that are members of their own, without hidden ones.
  private(set) var folders: Set<[String]> = []
  /// The folder of the member before.
  private var folder: [String] = []

  /// The bytes that zip files begin with; an empty archive begins with the second.
  static let starts: [[UInt8]] = [[0x50, 0x4B, 3, 4], [0x50, 0x4B, 5, 6]]
  // libarchive counts checksums in 32 bits, so that blocks must stay small.
  private static let blockSize = 1 << 20
  // What was read of the file would otherwise count as this process's memory.
  private static let blocksBetweenReleases = 32
  private var blockCount = 0
  /// The members may unpack to so many times the archive's own size, and `spare` bytes more.
  private static let largestExpansion = 64
  private let spare: Int
  // Far beyond any real one, and few enough to keep each folder above another.
  private static let deepest = 100
  /// Bytes of the members so far that were unpacked, and do not lie in the file as they are.
  private var unpackedCount = 0

  /// True of the first bytes of a zip archive.
  public static func isArchive(_ start: some Collection<UInt8>) -> Bool {
    starts.contains { start.starts(with: $0) }
  }

  /// True of the first bytes of a tar archive, which has its mark at byte 257; one without members is blocks of zeros.
  public static func isTarArchive(_ start: some Collection<UInt8>) -> Bool {
    start.count >= 262 && start.dropFirst(257).starts(with: Array("ustar".utf8))
      || start.count >= 512 && start.prefix(512).allSatisfy { $0 == 0 }
  }

  /// Opens a zip or tar archive, whichever it is.
  /// - Throws: ``ForeignFileError``, also for a tar archive without its end mark, two blocks of zeros: libarchive takes one
  ///   that was cut between two members for a whole one.
  public static func open(_ file: MappedFile) throws -> ArchiveReader {
    if isArchive(file.bytes.prefix(4)) { return try ArchiveReader(file) }
    let end = file.bytes.suffix(1024)
    guard end.count == 1024, end.allSatisfy({ $0 == 0 }) else {
      throw ForeignFileError(
        defect: .truncated, file: file.name, offset: file.bytes.count,
        expected: "two blocks of zeros, tar's end mark", found: "the end of the file",
        hint: "copy the archive again")
    }
    return try ArchiveReader(file, format: .tar)
  }

  /// The formats of archives.
  public enum Format: String, Sendable {
    case zip, tar
  }

  /// Reads the directory.
  /// - Throws: ``ForeignFileError``.
  public convenience init(_ file: MappedFile, format: Format = .zip) throws {
    try self.init(file, spare: 1 << 28, format: format)
  }

  init(_ file: MappedFile, spare: Int, format: Format = .zip) throws {
    guard let archive = archive_read_new() else { fatalError("out of memory") }
    (mapped, self.archive, self.spare) = (file, archive, spare)
    // libarchive takes a zip archive without members for no archive.
    hasMembers = format == .tar || !file.bytes.starts(with: Self.starts[1])
    switch format {
    case .zip: archive_read_support_format_zip_seekable(archive)
    case .tar:
      archive_read_support_format_tar(archive)
      // As tar's own -i: archives that follow one another are one.
      archive_read_set_option(archive, "tar", "read_concatenated_archives", "1")
    }
    // An archive takes 22 bytes at least; the bytes of a Data this long do not move.
    guard bytes.count >= 22 else { throw error(.truncated, "a \(format) archive", "\(bytes.count) bytes") }
    if format == .zip, let fault = ZipEnd.fault(of: bytes) { throw refusal(fault) }
    guard hasMembers else { return }
    let opened = bytes.withUnsafeBytes {
      archive_read_open_memory2(archive, $0.baseAddress, $0.count, Self.blockSize)
    }
    guard opened == ARCHIVE_OK else { throw damaged("a whole \(format) archive") }
  }

  deinit { archive_read_free(archive) }

  /// The next member's name, or nil after the last; folders are passed over.
  /// - Throws: ``ForeignFileError``.
  public func next() throws -> String? {
    while hasMembers {
      var entry: OpaquePointer?
      let status = inUTF8 { archive_read_next_header(archive, &entry) }
      if status == ARCHIVE_EOF { return nil }
      // A warning is of a name in letters that this system does not know.
      guard status == ARCHIVE_OK || status == ARCHIVE_WARN, let entry else {
        throw damaged("a member of the archive, or its end")
      }
      guard
        let text = inUTF8({ archive_entry_pathname_utf8(entry) }).flatMap({ String(validatingCString: $0) })
      else {
        throw error(
          .unsupported, "names of members in UTF-8", "another name after '\(shown)'",
          hint: "unpack the archive, and give the folder")
      }
      name = text
      isRegular = archive_entry_filetype(entry) & S_IFMT == S_IFREG || archive_entry_filetype(entry) == 0
      isSparse = archive_entry_sparse_reset(entry) > 0
      hardLink = inUTF8 { archive_entry_hardlink_utf8(entry) }.map { String(cString: $0) }
      symbolicLink = inUTF8 { archive_entry_symlink_utf8(entry) }.map { String(cString: $0) }
      (block, blockOffset, isAtEnd) = (UnsafeRawBufferPointer(start: nil, count: 0), 0, false)
      let parts = Self.components(name)
      guard parts.count <= Self.deepest else {
        throw unsuitable(
          "a path of at most \(Self.deepest) folders", "a longer one", hint: "write the archive again")
      }
      let isFolder =
        archive_entry_filetype(entry) & S_IFMT == S_IFDIR || name.utf8.last == UInt8(ascii: "/")
      note(isFolder ? parts : parts.dropLast())
      if !isFolder { return name }
      _ = try path()
    }
    return nil
  }

  /// Remembers a folder and those above it, but none of hidden ones, and not that in which programs of macOS have their own
  /// descriptions of the files.
  private func note(_ folder: [String]) {
    if folder == self.folder { return }
    self.folder = folder
    var visible = Array(folder.prefix { $0.utf8.first != UInt8(ascii: ".") && $0 != "__MACOSX" })
    // Those above a known one are known.
    while !visible.isEmpty, folders.insert(visible).inserted { visible.removeLast() }
  }

  /// Whether the member, or a folder above it, is hidden.
  static func isHidden(_ path: [String]) -> Bool { path.contains { $0.utf8.first == UInt8(ascii: ".") } }

  /// The folders and the name of the member that the reader is at: `.` among them and a leading `/` are left out, as tar does.
  /// - Throws: ``ForeignFileError`` (unsupported) for a path with `..`, which may be of any place.
  func path() throws -> [String] {
    let path = Self.components(name)
    guard !path.contains("..") else { throw unsuitable("a path inside the archive", "'..' in it") }
    return path
  }

  /// The parts of a path between its `/`, without `.`.
  static func components(_ path: String) -> [String] {
    // By bytes: a mark that stands behind a '/' makes one character with it.
    path.utf8.split(separator: UInt8(ascii: "/")).map { String(decoding: $0, as: UTF8.self) }.filter {
      $0 != "."
    }
  }

  /// - Throws: ``ForeignFileError`` (unsupported) for a member that is no file with content of its own.
  func requireFile() throws {
    guard hardLink == nil, isRegular else {
      throw unsuitable(
        "a file", hardLink.map { "a link to '\($0.prefix(80))'" } ?? "a symbolic link, a device or a pipe")
    }
  }

  /// What is wrong with the member that the reader is at, as a file of a folder that was packed.
  func unsuitable(
    _ expected: String, _ found: String,
    hint: String = "tar with --hard-dereference --dereference, from inside the folder"
  ) -> ForeignFileError {
    ForeignFileError(
      defect: .unsupported, file: "\(file): \(shown)", offset: nil, expected: expected, found: found,
      hint: hint)
  }

  /// Fills a buffer with what follows of the member, as far as there is any.
  /// - Returns: The number of bytes; less than the buffer takes only at the end.
  /// - Throws: ``ForeignFileError``, also for a wrong checksum at the end.
  public func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
    var filled = 0
    while filled < buffer.count {
      if block.isEmpty, try !nextBlock() { break }
      let count = min(block.count, buffer.count - filled)
      UnsafeMutableRawBufferPointer(rebasing: buffer[filled...]).copyMemory(
        from: UnsafeRawBufferPointer(rebasing: block[..<count]))
      block = UnsafeRawBufferPointer(rebasing: block[count...])
      filled += count
    }
    return filled
  }

  /// Passes over a number of bytes of the member, or all that is left of it, and checks them as if they were read.
  /// - Throws: As ``read(into:)``.
  public func skip(_ count: Int = .max) throws {
    var left = count
    while left > 0 {
      if block.isEmpty, try !nextBlock() { break }
      let step = min(left, block.count)
      block = UnsafeRawBufferPointer(rebasing: block[step...])
      left -= step
    }
  }

  /// All of the member, of which nothing was read yet: without a copy where it is stored in the file as it is.
  /// - Throws: As ``read(into:)``; ``ForeignFileError`` (tooLarge) for what unpacks to far more than the file.
  public func content() throws -> Data { try locatedContent().bytes }

  /// As ``content()``, and whether the bytes lie in the file, where they take no memory.
  /// - Throws: As ``content()``.
  func locatedContent() throws -> (bytes: Data, isInFile: Bool) {
    var (copied, start, count) = (Data(), Int?.none, 0)
    while try nextBlock() {
      if start == nil { start = place(of: block).map { $0 - blockOffset } }
      count = blockOffset + block.count
      // A block that crosses the reader's own blocks is copied by it; the ones beside it tell where it came from.
      if start == nil { copied.append(contentsOf: block) }
      guard start != nil || unpackedCount + count <= Self.largestExpansion * bytes.count + spare else {
        throw error(
          .tooLarge, "members that unpack to at most \(Self.largestExpansion) times the file",
          "more, in '\(shown)'")
      }
    }
    unpackedCount += copied.count
    block = UnsafeRawBufferPointer(start: nil, count: 0)
    guard let start, start >= 0, start + count <= bytes.count else { return (copied, false) }
    return (bytes[bytes.startIndex + start..<bytes.startIndex + start + count], true)
  }

  /// Where in the file a block lies; nil of one that was unpacked or copied.
  private func place(of block: UnsafeRawBufferPointer) -> Int? {
    bytes.withUnsafeBytes { whole in
      guard let first = block.baseAddress, let base = whole.baseAddress, first >= base,
        first + block.count <= base + whole.count
      else { return nil }
      return first - base
    }
  }

  private func nextBlock() throws -> Bool {
    if isAtEnd { return false }
    guard !isSparse else { throw unsuitable("a file as it is", "a sparse one", hint: "tar without --sparse") }
    var (start, count, offset) = (UnsafeRawPointer?.none, 0, la_int64_t(0))
    let status = archive_read_data_block(archive, &start, &count, &offset)
    isAtEnd = status == ARCHIVE_EOF || status == ARCHIVE_WARN
    if status == ARCHIVE_EOF { return false }
    guard status == ARCHIVE_OK || status == ARCHIVE_WARN && lacksChecksum else {
      throw damaged("member '\(shown)', whole and with the checksum stored for it")
    }
    (block, blockOffset) = (UnsafeRawBufferPointer(start: start, count: count), Int(offset))
    blockCount += 1
    if blockCount % Self.blocksBetweenReleases == 0 { mapped.release() }
    // libarchive gives an empty block at the end of some members.
    if count == 0, !isAtEnd { return try nextBlock() }
    return count > 0
  }

  /// True where the only fault is that the archive stores a checksum of 0: torch.save can be told to leave checksums
  /// out, and then writes that.
  private var lacksChecksum: Bool { fault.hasPrefix("ZIP bad CRC") && fault.hasSuffix("should be 0x0") }

  private var fault: String { archive_error_string(archive).map { String(cString: $0) } ?? "damage" }

  private var shown: String { String(name.prefix(80)) }

  private func refusal(_ fault: ZipEnd.Fault) -> ForeignFileError {
    switch fault {
    case .missing: error(.truncated, "a zip archive's directory and its end mark", "another end of the file")
    case .longComment(let count):
      error(
        .unsupported, "a zip archive whose comment has at most \(ZipEnd.longestComment) bytes", "\(count)",
        hint: "zip --archive-comment, which sets another one")
    case .bytesBefore(let count):
      error(
        .malformed, "one zip archive", "\(count) bytes before it",
        hint: "give each archive by itself, or unpack them into one folder")
    }
  }

  private func damaged(_ expected: String) -> ForeignFileError {
    let words = fault
    let isCut = words.contains("Truncated") || words.contains("Unrecognized archive format")
    let isUnknown = words.contains("nsupported")
    return error(
      isCut ? .truncated : isUnknown ? .unsupported : .malformed, expected, words,
      hint: isUnknown
        ? "write it with numpy.savez, numpy.savez_compressed or torch.save"
        : "copy the file again, or write it again")
  }

  private func error(
    _ defect: ForeignFileError.Defect, _ expected: String, _ found: String,
    hint: String = "copy the file again, or write it again"
  ) -> ForeignFileError {
    ForeignFileError(defect: defect, file: file, offset: nil, expected: expected, found: found, hint: hint)
  }
}
