import ArgumentParser
import Datasets
import ToolRuntime

/// A place on the grid of tokens, `row,column` from 0.
struct GridPosition: ExpressibleByArgument {
  let row: Int
  let column: Int

  init?(argument: String) {
    let parts = argument.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) }
    guard parts.count == 2, let row = parts[0], let column = parts[1], row >= 0, column >= 0 else {
      return nil
    }
    (self.row, self.column) = (row, column)
  }

  init(row: Int, column: Int) { (self.row, self.column) = (row, column) }
}

/// Numbers with commas between them, `0,3`.
struct NumberList: ExpressibleByArgument {
  let values: [Int]

  init?(argument: String) {
    let parts = argument.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) }
    values = parts.compactMap { $0 }
    guard values.count == parts.count, values.allSatisfy({ $0 >= 0 }), Set(values).count == values.count
    else {
      return nil
    }
  }
}

/// Which heads a map shows.
enum HeadChoice: ExpressibleByArgument {
  /// The mean of all.
  case mean
  /// Each by itself.
  case each
  /// Some, each by itself.
  case some([Int])

  init?(argument: String) {
    switch argument {
    case "mean": self = .mean
    case "all": self = .each
    default:
      guard let list = NumberList(argument: argument) else { return nil }
      self = .some(list.values)
    }
  }

  var defaultValueDescription: String { "mean" }

  /// The heads that are averaged in each row of the sheet.
  func groups(of count: Int) -> [[Int]] {
    switch self {
    case .mean: [Array(0..<count)]
    case .each: (0..<count).map { [$0] }
    case .some(let heads): heads.map { [$0] }
    }
  }
}

/// Which images are measured; the first of them are drawn.
struct ImageChoice: ParsableArguments {
  @Option(help: "Numbers of the images in the file, such as 0,5. (default: the first)") var images:
    NumberList?
  @Option(help: "Take the images that training with this share held out.") var heldOut: Double?
  @Option(help: "Seed of the held-out split.") var splitSeed: UInt64 = 0
  @Option(help: "At most this many images.") var limit = 64
  @Option(help: "Images drawn, the first of those measured.") var draw = 4

  func validate() throws {
    if images != nil && heldOut != nil {
      throw ValidationError("--images names the images; leave --held-out out.")
    }
    if let heldOut, !(heldOut > 0 && heldOut < 1) {
      throw ValidationError("--held-out must be above 0 and below 1.")
    }
    if limit < 1 || draw < 1 { throw ValidationError("--limit and --draw must be at least 1.") }
  }

  /// The chosen places among the images of a file.
  /// - Throws: `ToolError` (bad data) when one is not there, or none is.
  func items(of data: TokenDataset, in file: String) throws -> [Int] {
    let count = data.count
    var items = images?.values ?? Array(0..<count)
    if let heldOut, count > 0 {
      items = try HeldOutSplit(of: data, fraction: heldOut, seed: splitSeed).heldOut
    }
    if let beyond = items.first(where: { $0 >= count }) {
      throw ToolError(.badData, "\(file): expected an image \(beyond); found \(count) images, from 0")
    }
    guard !items.isEmpty else {
      throw ToolError(.badData, "\(file): expected at least one image to look at; found none among \(count)")
    }
    return Array(items.prefix(limit))
  }
}
