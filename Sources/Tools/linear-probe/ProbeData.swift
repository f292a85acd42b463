import Datasets
import SuiteOptions
import ToolRuntime

/// The images that the classifiers are trained on and those that they are scored on.
struct ProbeData {
  /// A part of a token file.
  struct Part {
    let path: String
    let tokens: TokenDataset
    let items: [Int]
    /// The view of each image that is read.
    let view: Int

    var labels: [Int] { items.map { tokens.labels[$0] } }
  }

  let training: Part
  let test: Part

  /// The two parts that a split makes of one file.
  /// - Throws: `ToolError` (bad data) for an empty part.
  init(_ tokens: TokenDataset, path: String, heldOut: HeldOutShare, _ view: ViewOptions) throws {
    let split = try heldOut.split(tokens)
    let view = view.number(in: tokens.header)
    training = Part(path: path, tokens: tokens, items: split.training, view: view)
    test = Part(path: path, tokens: tokens, items: split.heldOut, view: view)
    try check("a larger --held-out, or --test TOKENS2")
  }

  /// Two files, whole; the classes of the second are matched to those of the first by name.
  /// - Throws: `ToolError` (bad data) for classes that are not trained on, and for an empty file.
  init(
    _ tokens: TokenDataset, path: String, test: TokenDataset, testPath: String, _ view: ViewOptions,
    _ session: ToolSession
  ) throws {
    training = Part(
      path: path, tokens: tokens, items: Array(0..<tokens.count), view: view.number(in: tokens.header))
    let classes = try session.matchClasses(
      ClassList(test.header, file: testPath), to: ClassList(tokens.header, file: path))
    self.test = Part(
      path: testPath, tokens: test.relabelled(classes), items: Array(0..<test.count),
      view: view.number(in: test.header))
    try check("a file with images")
  }

  /// A number in a small file must not ask for the memory of a classifier of millions of classes.
  private static let maximumClasses = 1 << 16

  private func check(_ remedy: String) throws {
    let classes = training.tokens.header.classCount
    guard classes <= Self.maximumClasses else {
      throw ToolError(
        .badData, training.path,
        expected: "at most \(Self.maximumClasses) classes, for a classifier",
        found: "\(classes)",
        try: "tokens of fewer classes")
    }
    guard classes > 1 else {
      throw ToolError(
        .badData, training.path,
        expected: "at least two classes to tell apart",
        found: "one",
        try: "tokens of a folder with a sub-folder per class")
    }
    for (part, name) in [(training, "train on"), (test, "score")] where part.items.isEmpty {
      throw ToolError(
        .badData, part.path, expected: "images to \(name)", found: "none of \(part.tokens.count)", try: remedy
      )
    }
  }
}
