import ArgumentParser
import Datasets
import SuiteOptions
import ToolRuntime

/// Which images of a token file are decoded.
struct ImageSelection: ParsableArguments {
  @OptionGroup var heldOut: HeldOutOptions
  @Option(help: "Decode only every n-th image.") var every = 1
  @Option(help: "Largest number of images to decode. (default: all)") var limit: Int?

  func validate() throws {
    if every < 1 || (limit ?? 1) < 1 { throw ValidationError("--every and --limit must be at least 1.") }
  }

  /// The chosen places among the images of a file, ascending.
  /// - Throws: `ToolError` when none is left.
  func items(of data: TokenDataset, in file: String) throws -> [Int] {
    let count = data.count
    let candidates = try held(of: data) ?? Array(0..<count)
    let spaced = stride(from: 0, to: candidates.count, by: every).map { candidates[$0] }
    guard !spaced.isEmpty else {
      throw ToolError(
        .badData, file, expected: "at least one image to decode", found: "none among \(count)",
        try: "another file, or without --held-out")
    }
    return Array(spaced.prefix(limit ?? .max))
  }

  /// The images that training held out; nil for all.
  private func held(of data: TokenDataset) throws -> [Int]? {
    guard let share = heldOut.chosen, share.fraction > 0 else { return nil }
    return data.count == 0 ? [] : try share.split(data).heldOut
  }
}
