import Datasets
import ToolRuntime

/// The images that the classifiers are trained on and those that they are scored on.
struct ProbeData {
  /// A part of a token file.
  struct Part {
    let path: String
    let tokens: TokenDataset
    let items: [Int]

    var labels: [Int] { items.map { tokens.labels[$0] } }
  }

  let training: Part
  let test: Part

  /// The two parts that a split makes of one file.
  /// - Throws: `ToolError` (bad data) for an empty part.
  init(_ tokens: TokenDataset, path: String, heldOut: HeldOutShare) throws {
    let split = try heldOut.split(count: tokens.count)
    training = Part(path: path, tokens: tokens, items: split.training)
    test = Part(path: path, tokens: tokens, items: split.heldOut)
    try check("try: a larger --held-out, or --test TOKENS2")
  }

  /// Two files, whole.
  /// - Throws: `ToolError` (bad data) for files that are not alike, and for an empty one.
  init(_ tokens: TokenDataset, path: String, test: TokenDataset, testPath: String) throws {
    training = Part(path: path, tokens: tokens, items: Array(0..<tokens.count))
    self.test = Part(path: testPath, tokens: test, items: Array(0..<test.count))
    let (here, there) = (tokens.header, test.header)
    guard here.classNames == there.classNames, here.classCount == there.classCount else {
      throw ToolError(
        .badData,
        "\(testPath): expected the \(here.classCount) classes of \(path); found \(there.classCount)"
          + (here.classCount == there.classCount ? " of other names" : "")
          + "; try: tokenize folders with the same sub-folders")
    }
    try check("try: a file with images")
  }

  private func check(_ remedy: String) throws {
    guard training.tokens.header.classCount > 1 else {
      throw ToolError(
        .badData,
        "\(training.path): expected at least two classes to tell apart; found one; try: tokens of a folder with "
          + "a sub-folder a class")
    }
    for (part, name) in [(training, "train on"), (test, "score")] where part.items.isEmpty {
      throw ToolError(
        .badData, "\(part.path): expected images to \(name); found none of \(part.tokens.count); \(remedy)")
    }
  }
}
