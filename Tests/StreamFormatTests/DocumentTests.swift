import Foundation
@testable import StreamFormat
import Testing

/// What `docs/formats.md` says is so.
@Suite struct DocumentTests {
  private let document: String = {
    let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    return try! String(contentsOf: root.appending(path: "docs/formats.md"), encoding: .utf8)
  }()

  /// The lines of the fenced blocks that are marked with a word.
  private func blocks(_ mark: String) -> [[Substring]] {
    document.components(separatedBy: "```\(mark)\n").dropFirst().map { block in
      Array(block.split(separator: "\n", omittingEmptySubsequences: false).prefix { $0 != "```" })
    }
  }

  private func bytes(ofDump lines: [Substring]) -> [UInt8] {
    lines.flatMap { line in
      line.dropFirst(6).prefix(47).split(separator: " ").compactMap { UInt8($0, radix: 16) }
    }
  }

  private let example: Record = {
    let header = TokenHeader(
      vocabSize: 4, rows: 1, columns: 2, codebookSHA256: String(repeating: "0123", count: 16), classCount: 2)
    return TokenBatch(header: header, tokens: [3, 0], labels: [1]).record()
  }()

  @Test func theWorkedExampleIsAFileOfOurs() throws {
    let stored = bytes(ofDump: try #require(blocks("hexdump file").first))
    let read = try #require(try records(stored).first)
    #expect(try TokenBatch(read) == TokenBatch(example))
    #expect(read.metadata == example.metadata)
    #expect(file(example).suffix(36) == stored.suffix(36))
  }

  @Test func theWorkedRecordIsItsContent() throws {
    let record = bytes(ofDump: try #require(blocks("hexdump record").first))
    let read = try #require(try records(record).first)
    #expect(read.metadata == example.metadata)
    #expect(read.tensors.map(\.bytes) == [[1, 0, 0, 0], [3, 0, 0, 0]])
  }

  @Test func everyKindAndDocumentedTypeIsThere() {
    for kind in FileKind.allCases { #expect(document.contains("`\(kind.rawValue)`")) }
    for type in ElementType.allCases { #expect(document.contains(type.rawValue)) }
  }
}
