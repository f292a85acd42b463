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

  static let hasPython: Bool = {
    let python = try? run("/usr/bin/env", ["python3", "-c", "import numpy"]).status
    let zstd = try? run("/usr/bin/env", ["zstd", "--version"]).status
    return python == 0 && zstd == 0
  }()

  @Test(.enabled(if: hasPython, "needs python3 with numpy, and zstd")) func thePythonReaderReads() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "tessera-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let code = blocks("python").map { $0.joined(separator: "\n") }
    try code[0].write(to: folder.appending(path: "reader.py"), atomically: false, encoding: .utf8)
    try (["import sys"] + code[1...] + ["print(end_mark(sys.argv[1]))"]).joined(separator: "\n")
      .write(to: folder.appending(path: "mark.py"), atomically: false, encoding: .utf8)
    var generator = SplitMix(state: 5)
    let batches = [3, 4].map { TokenBatch.random(smallHeader, count: $0, using: &generator) }
    let path = folder.appending(path: "a.tokens.zst").path
    try Data(file(batches.map { $0.record() })).write(to: URL(filePath: path))

    let sums = batches.map { $0.tokens.reduce(0, +) + $0.labels.reduce(0, +) }
    let read = try run("/usr/bin/env", ["python3", folder.appending(path: "reader.py").path, path])
    #expect(
      read.output == """
        ["tokens", {"labels": [3], "tokens": [3, 2, 6]}, \(sums[0])]
        ["tokens", {"labels": [4], "tokens": [4, 2, 6]}, \(sums[1])]

        """)
    let mark = try run("/usr/bin/env", ["python3", folder.appending(path: "mark.py").path, path])
    #expect(mark.output == "(2, 7)\n")
  }
}

private func run(_ program: String, _ arguments: [String]) throws -> (status: Int32, output: String) {
  let process = Process()
  process.executableURL = URL(filePath: program)
  process.arguments = arguments
  let output = Pipe()
  process.standardOutput = output
  process.standardError = FileHandle.nullDevice
  try process.run()
  let bytes = output.fileHandleForReading.readDataToEndOfFile()
  process.waitUntilExit()
  return (process.terminationStatus, String(decoding: bytes, as: UTF8.self))
}
