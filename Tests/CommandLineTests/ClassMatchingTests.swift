import Foundation
import StreamFormat
import Testing
import TestSupport

/// Classes of tokens and models are matched by name, wherever both have names.
@Suite struct ClassMatchingTests {
  private let files: SharedFiles
  private let folder = try! TemporaryFolder()

  init() throws { files = try SharedFiles.get() }

  /// The relabelled tokens of classes b and c alone, which are the classes 0 and 1 of their file, and the same images
  /// with the numbers that the model has.
  private func writeSubset() throws -> (named: String, numbered: String) {
    let whole = try tokenBatch(files.relabelled)
    let chosen = (0..<whole.count).filter { whole.labels[$0] > 0 }
    let tokens = chosen.flatMap { whole.tokens(image: $0) }
    var header = whole.header
    let labels = chosen.map { whole.labels[$0] }
    let numbered = TokenBatch(header: header, tokens: tokens, labels: labels)
    (header.classNames, header.classCount) = (["b", "c"], 2)
    let named = TokenBatch(header: header, tokens: tokens, labels: labels.map { $0 - 1 })
    return (
      try write(file(of: [named.record()]), "named", in: folder),
      try write(file(of: [numbered.record()]), "numbered", in: folder)
    )
  }

  @Test func aFolderWithoutAClassScoresTheSame() throws {
    let (named, numbered) = try writeSubset()
    for (tool, more) in [("score-tokens", [String]()), ("attention-maps", ["--json"])] {
      let results = try [named, numbered].map { try succeed(tool, [$0, "--model", files.model] + more) }
      #expect(results[0].text == results[1].text && !results[0].text.isEmpty)
    }
    let probe = try succeed(
      "linear-probe", [files.relabelled, "--test", named, "--model", files.model, "--epochs", "2", "--quiet"])
    let other = try succeed(
      "linear-probe",
      [files.relabelled, "--test", numbered, "--model", files.model, "--epochs", "2", "--quiet"])
    #expect(probe.text.replacing(named, with: numbered) == other.text)
  }

  @Test func aClassThatTheModelDoesNotHaveIsRefused() throws {
    var record = try record(files.relabelled)
    record.metadata["class_names"] = #"["a","bird","c"]"#
    let path = try write(file(of: [record]), "birds", in: folder)
    for arguments in [
      ["score-tokens", path, "--model", files.model],
      ["attention-maps", path, "--model", files.model, "--json"],
      ["linear-probe", files.relabelled, "--test", path, "--model", files.model],
    ] {
      let result = try ToolProcess.run(arguments[0], Array(arguments.dropFirst()))
      expectRefusal(result, arguments[0], 65, path, "a class 'bird' that is none of them", "try:")
    }
    try succeed("attention-maps", [path, "--model", files.model, "--json", "--no-class"])
  }

  @Test func withoutNamesTheNumbersCount() throws {
    var record = try record(files.relabelled)
    record.metadata["class_names"] = "[]"
    let path = try write(file(of: [record]), "nameless", in: folder)
    let result = try succeed("score-tokens", [path, "--model", files.model])
    let named = try succeed("score-tokens", [files.relabelled, "--model", files.model])
    #expect(result.text == named.text)
    #expect(result.errors.contains("classes are matched by their numbers"))
    // Arrays of images call each class by its number.
    record.metadata["class_names"] = #"["0","1","2"]"#
    let array = try write(file(of: [record]), "array", in: folder)
    #expect(try succeed("score-tokens", [array, "--model", files.model]).text == named.text)
    record.metadata["class_names"] = "[]"
    record.metadata["num_classes"] = "5"
    let more = try write(file(of: [record]), "five", in: folder)
    expectRefusal(
      try ToolProcess.run("score-tokens", [more, "--model", files.model]), "score-tokens", 65,
      "expected at most 3 classes", "found 5")
  }

  @Test func imagesOfNoClassAreScoredAsSuch() throws {
    try succeed(
      "sample", ["--model", files.model, "--classes", "3,0", "--count", "4", "-o", folder.path("s")])
    try succeed("score-tokens", [folder.path("s"), "--model", files.model])
  }
}
