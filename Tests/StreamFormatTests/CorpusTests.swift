import Foundation
@testable import StreamFormat
import Testing

/// Replays the malformed files: the first part of a file's name is the defect it must be refused for.
@Suite struct CorpusTests {
  static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appending(path: "Corpus")
  static let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []

  static var files: [String] { names.filter { !$0.hasSuffix(".py") }.sorted() }

  @Test(arguments: files) func isRefusedForWhatItsNameSays(file: String) throws {
    let bytes = [UInt8](try Data(contentsOf: Self.folder.appending(path: file)))
    let expected = String(file.prefix { $0 != "." })
    let found = try defect(bytes)
    #expect((found?.rawValue ?? "valid") == expected)
  }

  @Test func everyDefectOfTheContainerHasAFile() {
    let tokensOnly: Set<FormatError.Defect> = [
      .missingTensor, .wrongShape, .wrongType, .missingMetadata, .badMetadata, .wrongKind, .valueOutOfRange,
      .streamMismatch, .unexpectedTensor,
    ]
    let covered = Set(Self.files.compactMap { FormatError.Defect(rawValue: String($0.prefix { $0 != "." })) })
    #expect(Set(FormatError.Defect.allCases).subtracting(tokensOnly) == covered)
  }

  @Test(arguments: files) func summariesRefuseTheSame(file: String) throws {
    let reader = RecordReader(try FileSource(path: Self.folder.appending(path: file).path))
    var found = "valid"
    do {
      while try reader.nextSummary() != nil {}
    } catch let error as FormatError {
      found = error.defect.rawValue
      #expect(error.origin.file.hasSuffix(file))
      #expect(error == (try? #require(throws: FormatError.self) { try reader.next() }))
    }
    #expect(found == file.prefix { $0 != "." })
  }
}
