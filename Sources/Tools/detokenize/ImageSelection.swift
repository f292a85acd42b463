import ArgumentParser
import Datasets
import ToolRuntime

/// Which images of a token file are decoded.
struct ImageSelection: ParsableArguments {
  @Option(help: "Decode only the images that training with this share held out; 0 decodes all.") var heldOut =
    0.0
  @Option(help: "Seed of the held-out split.") var splitSeed: UInt64 = 0
  @Option(help: "Decode every n-th image only.") var every = 1
  @Option(help: "At most this many images.") var limit: Int?

  func validate() throws {
    if !(0..<1).contains(heldOut) { throw ValidationError("--held-out must be from 0 to below 1.") }
    if every < 1 || (limit ?? 1) < 1 { throw ValidationError("--every and --limit must be at least 1.") }
  }

  /// The chosen places among the images of a file, ascending.
  /// - Throws: `ToolError` when none is left.
  func items(of data: TokenDataset, in file: String) throws -> [Int] {
    let count = data.count
    let candidates = try heldOut > 0 ? held(of: data) : Array(0..<count)
    let spaced = stride(from: 0, to: candidates.count, by: every).map { candidates[$0] }
    guard !spaced.isEmpty else {
      throw ToolError(.badData, "\(file): expected at least one image to decode; found none among \(count)")
    }
    return Array(spaced.prefix(limit ?? .max))
  }

  private func held(of data: TokenDataset) throws -> [Int] {
    data.count == 0 ? [] : try HeldOutSplit(of: data, fraction: heldOut, seed: splitSeed).heldOut
  }
}
