@testable import ForeignFiles
import Foundation
import StreamFormat
import Testing
import TestSupport

/// Archives put together by hand, so that each defect stands alone.
@Suite struct ZipArchiveTests {
  /// The text whose CRC-32 every description of CRC-32 gives.
  private static let text = Array("123456789".utf8)
  private static let checksum: UInt32 = 0xCBF4_3926

  private struct Member {
    var name = "x"
    var method: UInt16 = 0
    var data = ZipArchiveTests.text
    var size: UInt32 = 9
    var checksum = ZipArchiveTests.checksum
  }

  /// Bytes as one block of deflate that is stored, which needs no compressor.
  private func deflated(_ bytes: [UInt8]) -> [UInt8] {
    let count = UInt16(bytes.count)
    return [1] + little(count) + little(~count) + bytes
  }

  private func little(_ value: some FixedWidthInteger) -> [UInt8] {
    withUnsafeBytes(of: value.littleEndian) { Array($0) }
  }

  private func archive(_ members: Member...) -> [UInt8] {
    var (bytes, directory) = ([UInt8](), [UInt8]())
    for member in members {
      let offset = UInt32(bytes.count)
      let sizes =
        little(member.checksum) + little(UInt32(member.data.count)) + little(member.size)
        + little(UInt16(member.name.utf8.count)) + little(UInt16(0))
      let common = little(UInt16(20)) + little(UInt16(0)) + little(member.method) + little(UInt32(0)) + sizes
      bytes += zipSignature + common + Array(member.name.utf8) + member.data
      directory += [0x50, 0x4B, 1, 2] + little(UInt16(20)) + common + [UInt8](repeating: 0, count: 10)
      directory += little(offset) + Array(member.name.utf8)
    }
    let count = little(UInt16(members.count))
    let end = [0x50, 0x4B, 5, 6, 0, 0, 0, 0] + count + count
    return bytes + directory + end + little(UInt32(directory.count)) + little(UInt32(bytes.count)) + [0, 0]
  }

  private func read(_ bytes: [UInt8], _ name: String = "x") throws -> [UInt8]? {
    try ZipArchive(bytes[...], file: "a.zip").member(name).map { Array($0) }
  }

  private func expectDefect(
    _ defect: ForeignFileError.Defect, _ words: String, _ bytes: [UInt8],
    location: SourceLocation = #_sourceLocation
  ) {
    #expect(sourceLocation: location) { try read(bytes) } throws: {
      let error = $0 as? ForeignFileError
      return error?.defect == defect && "\($0)".contains(words) && error?.offset != nil
    }
  }

  @Test func storedAndDeflatedMembersAreRead() throws {
    let both = archive(
      Member(), Member(name: "y", method: 8, data: deflated(Self.text)), Member(name: "folder/", size: 9))
    #expect(try read(both, "x") == Self.text && read(both, "y") == Self.text && read(both, "z") == nil)
    #expect(try ZipArchive(both[...], file: "").names == ["x", "y"])
    #expect(try ZipArchive(Data(both), file: "").member("y") == Data(Self.text))
    // A slice of something larger keeps its own offsets.
    #expect(try ZipArchive(([0, 0, 0] + both)[3...], file: "").member("y").map { Array($0) } == Self.text)
    #expect(try ZipArchive(archive()[...], file: "").names == [])
  }

  @Test func numpysCompressedArraysEqualTheStoredOnes() throws {
    func array(_ name: String) throws -> Data? {
      let path = URL(filePath: Fixture.folder + "/metrics/" + name)
      return try ZipArchive(Data(contentsOf: path), file: name).member("arr_0.npy")
    }
    let stored = try #require(try array("images.npz"))
    #expect(try array("compressed.npz") == stored && stored.count == 128 + 6 * 12 * 14 * 3)
  }

  @Test func damageIsTold() {
    expectDefect(.malformed, "checksum", archive(Member(checksum: 1)))
    expectDefect(.malformed, "checksum", archive(Member(method: 8, data: deflated(Self.text), checksum: 1)))
    expectDefect(.malformed, "twice", archive(Member(), Member()))
    expectDefect(.unsupported, "method 12", archive(Member(method: 12)))
    expectDefect(.unsupported, "8 bytes in 9", archive(Member(size: 8)))
    expectDefect(.truncated, "end of a zip", Array(archive(Member()).dropLast()))
    var wild = archive(Member())
    wild[wild.count - 22 + 10] = 200
    expectDefect(.malformed, "200 entries", wild)
    var far = archive(Member())
    far[far.count - 22 + 19] = 0x7F
    expectDefect(.malformed, "a directory within", far)
  }

  @Test func checksumsCanBeLeftOut() throws {
    let bytes = archive(Member(checksum: 1))
    #expect(try ZipArchive(bytes[...], file: "").member("x", check: .none).map { Array($0) } == Self.text)
  }

  @Test func deflatedMembersAreNotBelieved() {
    let whole = deflated(Self.text)
    for (data, size): ([UInt8], UInt32) in [
      (whole, 8), (whole, 10), (whole + [0], 9), (Array(whole.dropLast()), 9), ([], 9), ([7, 7, 7], 9),
      // A size that no such number of bytes unpacks to is refused before anything is.
      (whole, 0xFFFF_FFF0),
    ] {
      expectDefect(.malformed, "deflated bytes", archive(Member(method: 8, data: data, size: size)))
    }
  }

  /// A megabyte of zeros in a kilobyte, which claims to be a hundred bytes, is unpacked no further than that.
  @Test func bombsGoOffAtTheSizeTheyClaim() {
    // Fixed codes: a literal 0, then matches of 258 bytes at distance 1, eight bits and five.
    var bits = [1, 1, 0] + [0, 0, 1, 1, 0, 0, 0, 0]
    for _ in 0..<4000 { bits += [1, 1, 0, 0, 0, 1, 0, 1] + [0, 0, 0, 0, 0] }
    bits += [0, 0, 0, 0, 0, 0, 0]
    var bytes = [UInt8](repeating: 0, count: (bits.count + 7) / 8)
    for (place, bit) in bits.enumerated() where bit == 1 { bytes[place / 8] |= 1 << UInt8(place % 8) }
    let zeros = 1 + 4000 * 258
    bytes.withUnsafeBytes { bytes in
      #expect(inflated(bytes, size: zeros) == [UInt8](repeating: 0, count: zeros))
      #expect(inflated(bytes, size: zeros - 1) == nil && inflated(bytes, size: 100) == nil)
    }
  }
}
