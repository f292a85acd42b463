import Foundation
import StreamFormat
import Testing
import TestSupport

@testable import ForeignFiles

@Suite struct ArchiveTests {
  private let text = Array("123456789".utf8)
  /// Of the text, as every description of CRC-32 gives it, little-endian.
  private let checksum: [UInt8] = [0x26, 0x39, 0xF4, 0xCB]

  private func archive(_ names: String...) throws -> [UInt8] {
    try TorchCheckpoint.archive(names.map { ($0, text) })
  }

  /// The members by name.
  private func read(_ bytes: [UInt8]) throws -> [String: [UInt8]] {
    let reader = try ArchiveReader(MappedFile(bytes, name: "a.zip"))
    var members: [String: [UInt8]] = [:]
    while let name = try reader.next() { members[name] = Array(try reader.content()) }
    return members
  }

  private func expectDefect(
    _ defect: ForeignFileError.Defect, _ words: String, _ bytes: [UInt8],
    location: SourceLocation = #_sourceLocation
  ) {
    #expect(sourceLocation: location) { try read(bytes) } throws: {
      ($0 as? ForeignFileError)?.defect == defect && "\($0)".contains(words)
    }
  }

  private func replacing(_ old: [UInt8], by new: [UInt8], in bytes: [UInt8]) -> [UInt8] {
    var bytes = bytes
    for place in 0...bytes.count - old.count where Array(bytes[place..<place + old.count]) == old {
      bytes.replaceSubrange(place..<place + old.count, with: new)
    }
    return bytes
  }

  @Test func whatIsWrittenIsRead() throws {
    #expect(try read(archive("x", "folder/y", "другое")) == ["x": text, "folder/y": text, "другое": text])
    #expect(try archive("x") == archive("x"), "no time is in the archive")
    #expect(try read(archive()).isEmpty)
  }

  @Test func compressedArraysEqualTheStoredOnes() throws {
    func array(_ name: String) throws -> StoredTensor {
      let path = Fixture.folder + "/metrics/" + name
      return try #require(try NumPyArchive(MappedFile(FileSource(path: path))).tensor("arr_0"))
    }
    let stored = try array("images.npz")
    #expect(try array("compressed.npz").bytes == stored.bytes && stored.shape == [6, 12, 14, 3])
  }

  /// Two members of 100,000 zeros in 600 bytes: one is within the bound, two together are not.
  @Test func membersUnpackToABoundedSizeTogether() throws {
    let path = Fixture.folder + "/../FuzzCorpus/zip/zeros.npz"
    let file = try MappedFile(FileSource(path: path))
    #expect(file.bytes.count < 1000)
    let reader = try ArchiveReader(file, spare: 1 << 16)
    #expect(try reader.next() != nil)
    #expect(try reader.content().count > 100_000)
    #expect(try reader.next() != nil)
    #expect { try reader.content() } throws: { ($0 as? ForeignFileError)?.defect == .tooLarge }
    #expect(try ForeignWeights(file).names == ["a", "b"], "the bound of users is far larger")
  }

  /// An empty array with sizes whose product no number can hold.
  @Test(arguments: [false, true]) func emptyArraysHaveSizesToo(isFortran: Bool) throws {
    func array(_ shape: String) -> [UInt8] {
      let text = "{'descr': '<f4', 'fortran_order': \(isFortran ? "True" : "False"), 'shape': \(shape), }\n"
      return [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(text.utf8.count), 0] + Array(text.utf8)
    }
    #expect(try ForeignWeights(array("(0, 3)"), file: "x").tensor("array")?.shape == [0, 3])
    for shape in ["(1099511627776, 1099511627776, 0)", "(0, 1099511627776, 1099511627776)"] {
      #expect { try ForeignWeights(array(shape), file: "x") } throws: {
        ($0 as? ForeignFileError)?.defect == .malformed
      }
    }
  }

  @Test func storedMembersAreNotCopied() throws {
    let zeros = [UInt8](repeating: 0, count: 3 << 20)
    let whole = try TorchCheckpoint.archive([("a", text), ("zeros", zeros), ("b", text)])
    let reader = try ArchiveReader(MappedFile(whole, name: "a.zip"))
    while let name = try reader.next(), name != "zeros" { try reader.skip() }
    let content = try reader.content()
    #expect(content.count == zeros.count && content.startIndex > 0, "a slice of the archive")
  }

  @Test func damageIsTold() throws {
    let whole = try archive("x")
    expectDefect(
      .malformed, "'x', whole and with the checksum", replacing([0x31, 0x32], by: [0x32, 0x31], in: whole))
    for length in [0, 21, 30, whole.count - 1] {
      expectDefect(.truncated, "a.zip", Array(whole.prefix(length)))
    }
    #expect(throws: ForeignFileError.self) { try ForeignWeights(archive("x", "x"), file: "a.zip") }
  }

  /// torch.save can be told to leave the checksums out, and writes 0 for each.
  @Test func checksumsCanBeLeftOut() throws {
    let bytes = replacing(checksum, by: [0, 0, 0, 0], in: try archive("x"))
    #expect(try bytes != archive("x") && read(bytes) == ["x": text])
    expectDefect(.malformed, "checksum", replacing(checksum, by: [1, 0, 0, 0], in: try archive("x")))
  }

  // MARK: Streams

  /// Counts what arrives, and keeps the last part of it.
  private final class CountingSink: ByteSink {
    let name = "counted"
    var count = 0
    func write(_ buffer: UnsafeRawBufferPointer) { count += buffer.count }
  }

  @Test func arraysAreWrittenAsTheyCome() throws {
    let sink = CountingSink()
    let writer = try NumPyArchiveWriter(sink)
    let image = [UInt8](repeating: 7, count: 1 << 20)
    try writer.begin("arr_0", NumPyHeader(.uint8, [8, 1 << 20]))
    for index in 0..<8 {
      try image.withUnsafeBytes { try writer.write($0) }
      #expect(sink.count >= index << 20, "at most a block is held back")
    }
    try writer.begin("arr_1", NumPyHeader(.int64, [0]))
    try writer.finish()
    #expect(sink.count > 8 << 20 && sink.count < 9 << 20)
  }

  @Test func itemsAreReadInAnyOrder() throws {
    let sink = MemorySink()
    let writer = try NumPyArchiveWriter(sink)
    try writer.begin("arr_0", NumPyHeader(.uint8, [200, 3]))
    let pixels = (0..<600).map { UInt8(truncatingIfNeeded: $0) }
    try pixels.withUnsafeBytes { try writer.write($0) }
    try writer.finish()
    let archive = try NumPyArchive(MappedFile(sink.bytes, name: "s.npz"))
    let items = try #require(try archive.items(of: "arr_0"))
    for index in [0, 1, 5, 199, 7, 7, 198] {
      #expect(try items.item(index) == Array(pixels[index * 3..<index * 3 + 3]))
    }
    try items.finish()
    #expect(try archive.items(of: "arr_1") == nil && archive.arrays.keys.sorted() == ["arr_0"])
    // The last item is not given before the checksum was compared; items before it are not the last word.
    var damaged = sink.bytes
    damaged[damaged.count / 2] ^= 1
    let other = try #require(try NumPyArchive(MappedFile(damaged, name: "d.npz")).items(of: "arr_0"))
    #expect(throws: ForeignFileError.self) {
      _ = try other.item(3)
      try other.finish()
    }
  }

  /// More than 4 GiB, which needs zip64; it takes as much of the disk, and a minute.
  @Test(.enabled(if: ProcessInfo.processInfo.environment["TESSERA_LONG_TESTS"] == "1"))
  func moreThanFourGigabytes() throws {
    let folder = try TemporaryFolder()
    let path = folder.path("large.npz")
    let descriptor = open(path, O_WRONLY | O_CREAT, 0o600)
    defer { close(descriptor) }
    let writer = try NumPyArchiveWriter(FileDescriptorSink(descriptor: descriptor, name: path))
    let (count, size) = (24_000, 256 * 256 * 3)
    try writer.begin("arr_0", NumPyHeader(.uint8, [count, 256, 256, 3]))
    for index in 0..<count {
      let image = [UInt8](repeating: UInt8(truncatingIfNeeded: index), count: size)
      try image.withUnsafeBytes { try writer.write($0) }
    }
    try writer.begin("arr_1", NumPyHeader(.int64, [1]))
    try [UInt8](repeating: 1, count: 8).withUnsafeBytes { try writer.write($0) }
    try writer.finish()
    let archive = try NumPyArchive(MappedFile(FileSource(path: path)))
    let items = try #require(try archive.items(of: "arr_0"))
    for index in [0, count - 1] {
      #expect(try items.item(index).allSatisfy { $0 == UInt8(truncatingIfNeeded: index) })
    }
    try items.finish()
    #expect(try archive.tensor("arr_1")?.bytes == [UInt8](repeating: 1, count: 8))
  }
}
