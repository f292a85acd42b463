import Foundation
import StreamFormat
import Testing
import TestSupport
@testable import ToolRuntime

@Suite struct ProvenanceTests {
  private let folder = try! TemporaryFolder()
  private let model = Record(kind: .mapping, metadata: ["a": "b"])

  private func session(_ name: String, _ arguments: String...) throws -> ToolSession {
    let flags = arguments.filter { $0.hasPrefix("--") }
    return ToolSession(name: name, arguments: arguments, options: try CommonOptions.parse(flags))
  }

  private func output(_ name: String) -> OutputPath { OutputPath(argument: folder.path(name))! }
  private func input(_ name: String) -> InputPath { InputPath(argument: folder.path(name))! }

  @Test func theChainGrowsFromFileToFile() throws {
    try session("first", "--seed=7", "--threads=3", "x").write(model, at: output("a"))
    let hash = SHA256Hasher.hex(of: [UInt8](try Data(contentsOf: URL(filePath: folder.path("a")))))
    let second = try session("second", "--threads=1", "y")
    try second.write(try second.readRecord(input("a")), at: output("b"))

    let third = try session("third")
    let chain = try Provenance(try third.readRecord(input("b")))
    #expect(
      chain.entries == [
        .init(
          tool: "first", version: toolVersion, arguments: ["--seed=7", "--threads=3", "x"], seed: 7,
          threads: 3,
          inputs: []),
        .init(
          tool: "second", version: toolVersion, arguments: ["--threads=1", "y"], seed: 0, threads: 1,
          inputs: [.init(name: folder.path("a"), sha256: hash)]),
      ])
  }

  @Test func sharedAncestorsAppearOnce() throws {
    try session("first", "--threads=1").write(model, at: output("a"))
    let second = try session("second", "--threads=1")
    try second.write(try second.readRecord(input("a")), at: output("b"))
    let third = try session("third", "--threads=1")
    _ = try third.readRecord(input("a"))
    try third.write(try third.readRecord(input("b")), at: output("c"))
    let chain = try Provenance(try session("last").readRecord(input("c")))
    #expect(chain.entries.map(\.tool) == ["first", "second", "third"])
  }

  @Test func noProvenanceLeavesNoTrace() throws {
    let first = try session("first", "--no-provenance", "some-argument")
    try first.write(model, at: output("a"))
    try session("other", "--no-provenance", "--seed=9").write(model, at: output("b"))
    let bytes = try ["a", "b"].map { try Data(contentsOf: URL(filePath: folder.path($0))) }
    #expect(bytes[0] == bytes[1])
    #expect(try session("last").readRecord(input("a")).metadata["provenance"] == nil)
  }

  @Test func aPipeHasNoHash() throws {
    let entry = Provenance.Entry(
      tool: "t", version: "1", arguments: [], seed: 0, threads: 1, inputs: [.init(name: "-", sha256: nil)])
    let json = Provenance(entries: [entry]).json
    #expect(
      json == #"[{"arguments":[],"inputs":[{"name":"-","sha256":null}],"seed":0,"threads":1,"#
        + #""tool":"t","version":"1"}]"#)
    #expect(try Provenance(Record(metadata: ["provenance": json])).entries == [entry])
  }

  @Test func aChainThatIsNoneIsRefused() throws {
    let error = try #require(throws: FormatError.self) {
      try Provenance(Record(metadata: ["provenance": "{}"]))
    }
    #expect(error.defect == .badMetadata)
  }

  @Test func filesOfSeveralRecordsAreNoModels() throws {
    let bytes = try session("first").writtenTwice(model, to: output("a"))
    #expect(bytes > 0)
    let error = try #require(throws: FormatError.self) { try session("second").readRecord(input("a")) }
    #expect(error.defect == .streamMismatch)
  }
}

extension ToolSession {
  /// Writes a file with a record twice, and returns its size.
  fileprivate func writtenTwice(_ record: Record, to output: OutputPath) throws -> Int {
    let sink = try create(output)
    let writer = RecordWriter(sink)
    try writer.write(record)
    try writer.write(record)
    try writer.finish()
    try sink.commit()
    try commitOutputs()
    return try Data(contentsOf: URL(filePath: output.path)).count
  }
}

extension ToolSession {
  /// A whole run: writes the record and puts it in its place.
  fileprivate func write(_ record: Record, at output: OutputPath) throws {
    try write(record, to: output)
    try commitOutputs()
  }
}
