import ArgumentParser
import Datasets
import SuiteOptions
import ToolRuntime

/// A place on the grid of tokens, `row,column` from 0.
struct GridPosition: FormedArgument {
  static let form = "row,column counted from 0, such as 3,4"

  let row: Int
  let column: Int

  init?(argument: String) {
    guard let parts = commaSeparated(argument, { Int($0) }), parts.count == 2, parts.allSatisfy({ $0 >= 0 })
    else { return nil }
    (row, column) = (parts[0], parts[1])
  }

  init(row: Int, column: Int) { (self.row, self.column) = (row, column) }
}

/// Numbers with commas between them, `0,3`.
struct NumberList: FormedArgument {
  static let form = "different numbers separated by commas, such as 0,3"

  let values: [Int]

  init?(argument: String) {
    guard let values = commaSeparated(argument, { Int($0) }), values.allSatisfy({ $0 >= 0 }),
      Set(values).count == values.count
    else { return nil }
    self.values = values
  }
}

/// Which heads a map shows.
enum HeadChoice: FormedArgument {
  static let form = "mean, all, or different numbers separated by commas, such as 0,3"

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
  @Option(
    help: ArgumentHelp(
      "Numbers of the images in the file, counted from 0, separated by commas. (default: the "
        + "first images)"), transform: NumberList.parse)
  var images: NumberList?
  @OptionGroup var heldOut: HeldOutOptions
  @Option(help: "Largest number of images to measure.") var limit = 64
  @Option(help: "Number of images to draw: the first of those that are measured.") var draw = 4

  func validate() throws {
    if images != nil && heldOut.chosen != nil {
      throw ValidationError("--images names the images; leave --held-out out.")
    }
    try heldOut.requireSome()
    if limit < 1 || draw < 1 { throw ValidationError("--limit and --draw must be at least 1.") }
  }

  /// The chosen places among the images of a file.
  /// - Throws: `ToolError` (bad data) when one is not there, or none is.
  func items(of data: TokenDataset, in file: String) throws -> [Int] {
    let count = data.count
    var items = images?.values ?? Array(0..<count)
    if let share = heldOut.chosen, count > 0 { items = try share.split(data).heldOut }
    if let beyond = items.first(where: { $0 >= count }) {
      throw ToolError(
        .badData, file, expected: "an image \(beyond)", found: "\(count) images, counted from 0",
        try: "--images with smaller numbers")
    }
    guard !items.isEmpty else {
      throw ToolError(
        .badData, file, expected: "at least one image to look at", found: "none among \(count)",
        try: "without --held-out, or another file")
    }
    return Array(items.prefix(limit))
  }
}
