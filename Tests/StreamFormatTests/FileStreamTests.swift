import Foundation
@testable import StreamFormat
import Testing
import TestSupport

@Suite struct FileStreamTests {
  private let folder = try! TemporaryFolder()

  @Test func filesAreReadInPieces() throws {
    let bytes = (0..<1_000_003).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    try Data(bytes).write(to: folder.url.appending(path: "a"))
    let source = try FileSource(path: folder.path("a"))
    var read: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1000)
    while case let count = try chunk.withUnsafeMutableBytes({ try source.read(into: $0) }), count > 0 {
      read += chunk[..<count]
    }
    #expect(read == bytes)
    let hash = try SHA256Hasher.hex(of: FileSource(path: folder.path("a")))
    #expect(hash == SHA256Hasher.hex(of: bytes))
  }

  @Test func whatCannotBeOpenedIsSaid() throws {
    let missing = folder.path("none")
    #expect(throws: StreamError.notFound(file: missing)) { try FileSource(path: missing) }
    try Data().write(to: folder.url.appending(path: "a"))
    let below = folder.path("a") + "/b"
    #expect(throws: StreamError.notFound(file: below)) { try FileSource(path: below) }
    #expect(throws: StreamError.isDirectory(file: folder.url.path)) { try FileSource(path: folder.url.path) }
  }

  @Test func recordsComeThroughAPipeByteByByte() throws {
    var generator = SplitMix(state: 6)
    let written = (0..<3).map { _ in Record.random(using: &generator) }
    let reader = RecordReader(OneByteSource(file(written)))
    for record in written { #expect(try reader.next()?.metadata == record.metadata) }
    #expect(try reader.next() == nil)
    #expect(reader.sha256() == SHA256Hasher.hex(of: file(written)))
  }

  @Test func aFullDiskAndAClosedPipeAreTold() throws {
    let full = open("/dev/full", O_WRONLY)
    defer { close(full) }
    let writer = RecordWriter(FileDescriptorSink(descriptor: full, name: "full"))
    #expect(throws: StreamError.writeFailed(file: "full", errno: ENOSPC)) { try writer.finish() }

    signal(SIGPIPE, SIG_IGN)
    var ends: [Int32] = [0, 0]
    pipe(&ends)
    close(ends[0])
    defer { close(ends[1]) }
    let broken = RecordWriter(FileDescriptorSink(descriptor: ends[1], name: "pipe"))
    #expect(throws: StreamError.closedPipe(file: "pipe")) { try broken.write(Record()) }
  }

  @Test func readingFailsAsItShould() throws {
    let source = FileSource(descriptor: 12_345, name: "closed")
    let reader = RecordReader(source)
    #expect(throws: StreamError.readFailed(file: "closed", errno: EBADF)) { try reader.next() }
  }
}

/// A source that gives one byte at a time, as slow pipes do.
private final class OneByteSource: ByteSource {
  let name = "slow"
  private let source: MemorySource

  init(_ bytes: [UInt8]) {
    source = MemorySource(bytes)
  }

  func read(into buffer: UnsafeMutableRawBufferPointer) -> Int {
    source.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer.prefix(1)))
  }
}

@Suite struct MappedFileTests {
  private let folder = try! TemporaryFolder()

  @Test func filesAndPipesGiveTheSameBytes() throws {
    let bytes = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
    let path = folder.path("file")
    try Data(bytes).write(to: URL(filePath: path))
    let file = try MappedFile(FileSource(path: path))
    #expect(Array(file.bytes) == bytes && file.name == path)
    file.release()
    #expect(Array(file.bytes) == bytes, "what was given back is read again")
    #expect(try Array(MappedFile(PeekedSource(FileSource(path: path), count: 4)).bytes) == bytes)

    // Anything that is no file is copied, from where it stands.
    let source = try PeekedSource(MemorySource(bytes, name: "pipe"), count: 4)
    #expect(source.peeked == Array(bytes[..<4]))
    #expect(try Array(MappedFile(source).bytes) == bytes)
    #expect(try MappedFile(MemorySource([])).bytes.isEmpty)
  }

  @Test func whatWasPeekedAtIsReadToo() throws {
    let source = try PeekedSource(MemorySource([1, 2, 3, 4, 5]), count: 3)
    #expect(source.peeked == [1, 2, 3])
    #expect(try source.readAll() == [1, 2, 3, 4, 5])
    #expect(try PeekedSource(MemorySource([1]), count: 3).peeked == [1])
  }
}
