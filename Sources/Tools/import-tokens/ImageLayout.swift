import ForeignFiles
import Images
import StreamFormat
import SuiteOptions
import ToolRuntime

/// How the codes of an image lie: grid, order and views, which all images have in common. The first image and the options
/// tell them.
struct ImageLayout {
  let rows: Int
  let columns: Int
  let order: TokenLayout
  let viewNames: [String]

  static let plans: [String: ViewPlan] = ["center": .center, "flip": .flip, "ten-crop": .tenCrop]

  /// - Parameters:
  ///   - first: the first image.
  ///   - tokenizer: the order of the tokenizer's codes, and the largest side of an image of several scales.
  ///   - views: the name of a plan.
  /// - Throws: `ToolError`.
  init(
    _ first: ForeignImageTokens, tokenizer: (order: TokenLayout, side: Int), grid: TokenGridSize?,
    views: String?
  ) throws {
    order = tokenizer.order
    let asked = views.flatMap { Self.plans[$0]?.names.count }
    if let asked, let own = first.views, asked != own {
      throw ToolError(
        .badData, first.place, expected: "\(asked) in the dimension of the views, for --views \(views ?? "")",
        found: "\(own)", try: "without --views, or with the one that the codes have")
    }
    let viewCount: Int
    switch order {
    case .raster:
      (rows, columns, viewCount) = try Self.raster(first, grid, asked)
    case .scales(let sides):
      if grid != nil {
        throw ToolError(
          .usage, "--grid", expected: "no grid, since the tokenizer's codes are of scales", found: "one",
          try: "without --grid")
      }
      (rows, columns) = (tokenizer.side, tokenizer.side)
      let count = sides.reduce(0) { $0 + $1 * $1 }
      viewCount = asked ?? first.views ?? first.tokens.count / count
      guard viewCount > 0, viewCount * count == first.tokens.count,
        first.views != nil || asked != nil || Self.isOfAPlan(viewCount)
      else {
        throw ToolError(
          .badData, first.place,
          expected:
            "\(count) tokens in each \(asked ?? first.views == nil ? "of 1, 2 or 10 views" : "view"), \(order)",
          found: "\(first.tokens.count) tokens in \(asked ?? first.views ?? max(1, viewCount)) views",
          try: "codes of all scales, the smallest first, or the tokenizer that they are of")
      }
    }
    let plan = views.flatMap { Self.plans[$0] } ?? Self.plans.values.first { $0.names.count == viewCount }
    viewNames = plan?.names ?? (0..<viewCount).map { "view-\($0)" }
    guard viewNames.count == viewCount else {
      throw ToolError(
        .badData, first.place,
        expected: "\(viewNames.count) views of \(rows)x\(columns) tokens, for --views \(views ?? "")",
        found: "\(viewCount)",
        try: "another --views or --grid")
    }
  }

  /// Whether a way to take views gives so many.
  private static func isOfAPlan(_ count: Int) -> Bool { plans.values.contains { $0.names.count == count } }

  /// One grid: the one that was given, or a square.
  private static func raster(_ first: ForeignImageTokens, _ grid: TokenGridSize?, _ asked: Int?) throws
    -> (rows: Int, columns: Int, views: Int)
  {
    let count = first.tokens.count
    if let grid {
      let (rows, columns) = (grid.rows, grid.columns)
      let viewCount = first.views ?? count / (rows * columns)
      // A plain list may have the views of a plan one after the other.
      let isPossible = first.views != nil || asked != nil || isOfAPlan(viewCount)
      guard count > 0, viewCount * rows * columns == count, isPossible else {
        throw ToolError(
          .badData, first.place,
          expected:
            "\(first.views.map { $0 == 1 ? "1 view" : "\($0) views" } ?? "1, 2 or 10 views") of \(rows)x\(columns) tokens",
          found: "\(count) tokens", try: "another --grid")
      }
      return (rows, columns, viewCount)
    }
    let viewCount = asked ?? first.views ?? 1
    // Rows and columns of one grid would pass for as many views of a small one.
    if asked == nil, viewCount > 0, !isOfAPlan(viewCount) {
      throw ToolError(
        .badData, first.place, expected: "codes of an image as [tokens] or [views, tokens]",
        found: "[\(viewCount), \(count / viewCount)], which may be the rows and columns of a grid",
        try: "codes.reshape(len(codes), -1), or --grid, if these are \(viewCount) views")
    }
    let side = Int(Double(count / max(1, viewCount)).squareRoot())
    guard count > 0, viewCount * side * side == count, side * side <= TokenHeader.maximumTokens else {
      throw ToolError(
        .badData, first.place,
        expected: "square grids of tokens",
        found: "\(count) tokens in \(viewCount) views",
        try: "--grid ROWSxCOLUMNS")
    }
    return (side, side, viewCount)
  }
}
