import ArgumentParser
import FoundationEssentials
import Glibc
import StreamFormat
import SuiteOptions
import TensorCore
import ToolRuntime

/// The classes that are drawn.
struct LabelOptions: ParsableArguments {
  @Option(help: "Number of images to draw; the classes take turns. (default: 64)") var count: Int?
  @Option(help: "Number of images per class, drawn class after class.") var perClass: Int?
  @Option(help: "Numbers of the classes to draw, counted from 0, separated by commas. (default: all)")
  var classes: String?
  @Option(help: "File with one class number per line and image, or '-' for standard input.")
  var labels: InputPath?
  @Flag(help: "Draw the class of each image at random instead of in turn.") var randomClasses = false

  func validate() throws {
    if [count != nil, perClass != nil, labels != nil].filter({ $0 }).count > 1 {
      throw ValidationError("give only one of --count, --per-class and --labels.")
    }
    if labels != nil && (classes != nil || randomClasses) || perClass != nil && randomClasses {
      throw ValidationError(
        "--labels and --per-class fix every class; leave --classes and --random-classes out.")
    }
    if !(1...1 << 28).contains(count ?? perClass ?? 1) {
      throw ValidationError(
        "--count and --per-class must be from 1 to \(1 << 28); draw more images in several runs.")
    }
    if classes != nil && chosen == nil { throw ValidationError("--classes must be numbers such as 0,3,5.") }
  }

  /// Whether any of the options was used.
  var isGiven: Bool {
    count != nil || perClass != nil || classes != nil || labels != nil || randomClasses
  }

  private var chosen: [Int]? { classes.flatMap { commaSeparated($0) { Int($0) } } }

  /// The class of each image.
  /// - Throws: `ToolError` for a class that the model does not have.
  func labels(classCount: Int, seed: UInt64) throws -> [Int] {
    let result: [Int]
    let from = chosen ?? Array(0..<classCount)
    if let labels {
      result = try read(labels)
    } else if let perClass {
      result = from.flatMap { [Int](repeating: $0, count: perClass) }
    } else if randomClasses {
      result = (0..<(count ?? 64)).map { image in
        var random = CounterRandom(seed: seed, purpose: .labels, index: UInt64(image))
        return from[random.integer(below: from.count)]
      }
    } else {
      result = (0..<(count ?? 64)).map { from[$0 % from.count] }
    }
    if let wrong = result.first(where: { !(0...classCount).contains($0) }) {
      throw ToolError(
        .badData, "classes", expected: "0 to \(classCount - 1), or \(classCount) for no class",
        found: "\(wrong)",
        try: "show-file on the model, which lists its classes")
    }
    return result
  }

  private func read(_ input: InputPath) throws -> [Int] {
    let lines = String(decoding: try input.open().readAll(), as: UTF8.self).split(whereSeparator: \.isNewline)
    guard !lines.isEmpty else {
      throw ToolError(
        .badData, input.path, expected: "a class number per line", found: "no line",
        try: "--count or --per-class, without --labels")
    }
    return try lines.enumerated().map { index, line in
      let words = line.split(whereSeparator: \.isWhitespace)
      guard words.count == 1, let label = Int(words[0]) else {
        throw ToolError(
          .badData, "\(input.path): line \(index + 1)", expected: "a class number",
          found: "'\(visible(shortened(String(line), to: 80)))'", try: "one number per line, without names")
      }
      return label
    }
  }
}
