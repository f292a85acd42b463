import Foundation
import StreamFormat
import Testing

@testable import Fuzzing

/// The repository's folder of seeds and fixtures.
private let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
  .deletingLastPathComponent()

private func fixture(_ name: String) throws -> [UInt8] {
  [UInt8](try Data(contentsOf: root.appending(path: "Tests/Fixtures/\(name)")))
}

@Suite struct MutationTests {
  let seeds = try! SeedFiles(root: root)

  @Test(arguments: FuzzKind.allCases) func sameNumbersGiveTheSameFile(kind: FuzzKind) {
    let files = (0..<40).map { kind.input(seed: 7, number: $0, of: seeds[kind]) }
    #expect(files == (0..<40).map { kind.input(seed: 7, number: $0, of: seeds[kind]) })
    #expect(Set(files).count > 25, "\(Set(files).count) different files of 40")
    #expect(files != (0..<40).map { kind.input(seed: 8, number: $0, of: seeds[kind]) })
  }

  @Test func theCorpusIsSmall() throws {
    let names = try FileManager.default.subpathsOfDirectory(atPath: seeds.folder.path)
    let sizes = try names.map {
      try FileManager.default.attributesOfItem(atPath: seeds.folder.appending(path: $0).path)
    }
    let total = sizes.filter { $0[.type] as? FileAttributeType == .typeRegular }.reduce(0) {
      $0 + ($1[.size] as? Int ?? 0)
    }
    #expect(total < 1 << 20, "\(total) bytes")
  }

  /// What is changed beneath compression has right checksums, or the readers would see nothing else.
  @Test func changedRecordsHaveRightChecksums() throws {
    var (defects, read): ([FormatError.Defect: Int], Int) = ([:], 0)
    for number in 0..<400 {
      var random = MutationRandom(seed: 1, kind: "tokens", number: UInt64(number))
      let file = try #require(RecordMutation.mutate(random.pick(seeds[.tokens]), with: &random))
      do {
        let reader = RecordReader(MemorySource(file))
        while try reader.next() != nil {}
        read += 1
      } catch let error as FormatError { defects[error.defect, default: 0] += 1 }
    }
    #expect(defects[.checksumMismatch] == nil && defects[.corruptFrame] == nil, "\(defects)")
    #expect(read > 100, "\(read) of 400 are whole")
    #expect(defects.count > 5, "\(defects)")
  }

  @Test func anUnchangedDraftIsItsRecord() throws {
    let reader = RecordReader(MemorySource(try #require(seeds[.arModel].first)))
    let record = try #require(try reader.next())
    let copy = try #require(try RecordReader(MemorySource(RecordDraft.file([RecordDraft(record)]))).next())
    #expect(copy.metadata == record.metadata)
    #expect(copy.tensors.map(\.bytes) == record.tensors.map(\.bytes))
  }

  @Test func anArchiveIsWrittenAsItsMembers() throws {
    let members = try #require(ZipMutation.members(of: fixture("networks/two.npz")))
    #expect(members.count == 2)
    #expect(ZipMutation.members(of: ZipMutation.archive(members)) == members)
  }

  @Test(arguments: ["rgb.png", "palette.png", "interlaced.png"]) func chunksAreWrittenAsTheyWere(name: String)
    throws
  {
    let file = try fixture("images/\(name)")
    #expect(PNGMutation.file(PNGMutation.chunks(of: file)) == file)
  }

  @Test(arguments: ["photo.jpg", "progressive.jpg", "exif-1.jpg"]) func segmentsAreWrittenAsTheyWere(
    name: String
  ) throws {
    let file = try fixture("images/\(name)")
    let (segments, rest) = JPEGMutation.split(file)
    #expect(segments.count > 3)
    #expect(Array([[0xFF, 0xD8], segments.flatMap(JPEGMutation.bytes), rest].joined()) == file)
  }

  /// Values from the standards' descriptions and from common test vectors.
  @Test func checksums() {
    #expect(crc32("123456789".utf8) == 0xCBF4_3926)
    #expect(adler32(Array("Wikipedia".utf8)) == 0x11E6_0398)
  }

  @Test func textsAreSplitWithoutLoss() {
    let text = #"{"a\"b":[1,-2.5e3,true],'c':('<f4',)}"#
    #expect(String(decoding: TextMutation.split(Array(text.utf8)).joined(), as: UTF8.self) == text)
    #expect(TextMutation.split(Array(text.utf8)).contains(Array("-2.5e3".utf8)))
    #expect(TextMutation.split(Array(text.utf8)).contains(Array(#""a\"b""#.utf8)))
  }
}
