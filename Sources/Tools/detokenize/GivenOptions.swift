import ArgumentParser
import Datasets
import ImageModels
import Images
import StreamFormat
import SuiteOptions
import ToolRuntime

/// What completed images were made from, to be shown above them.
struct GivenOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Token file that sample --keep completed: each row of --grid shows the images as they were given, with the drawn "
        + "part covered, and completed.", valueName: "tokens"))
  var given: InputPath?
  @Option(
    help: ArgumentHelp(
      "The --mask that sample was given. (default: the lower half)", valueName: "rectangles"),
    transform: TokenMask.parse)
  var mask: TokenMask?

  func validate() throws {
    if given == nil && mask != nil { throw ValidationError("--mask goes with --given.") }
  }

  /// The given images and the same with the mask covered, one for each of the items; nothing without --given.
  /// - Throws: `ToolError` (bad data) for tokens of another codebook or grid, or of another number of images.
  func pictures(
    _ session: ToolSession, of data: TokenDataset, items: [Int], _ model: Tokenizer
  ) throws -> [[RGBImage]] {
    guard let given else { return [] }
    let source = try TokenDataset(session.openTokens(given))
    let (header, other) = (data.header, source.header)
    try session.requireRaster(header, of: "the completed tokens")
    try session.requireRaster(other, of: given.path)
    try session.requireSameCodebook(
      other, of: given.path, as: model.codebookSHA256, codes: model.configuration.codebookSize,
      of: "--tokenizer")
    guard other.rows == header.rows, other.columns == header.columns, source.count > 0,
      data.count % source.count == 0
    else {
      throw ToolError(
        .badData, given.path,
        expected: "images of \(header.rows)x\(header.columns) tokens whose number divides \(data.count)",
        found: "\(source.count) of \(other.rows)x\(other.columns)",
        try: "the file that --keep named")
    }
    let cells = try TokenMask.cells(mask, rows: header.rows, columns: header.columns)
    let fillings = data.count / source.count
    for item in items {
      let (drawn, own) = (
        data.tokens(item: item, view: header.centerView),
        source.tokens(item: item / fillings, view: other.centerView)
      )
      guard zip(zip(drawn, own), cells).allSatisfy({ $0.0 == $0.1 || $1 }) else {
        throw ToolError(
          .badData, given.path,
          expected: "the kept tokens of image \(item)",
          found: "others outside of the mask",
          try: "the file that --keep named, and the same --mask")
      }
    }
    let whole = try items.map { item in
      let tokens = source.tokens(item: item / fillings, view: other.centerView).map(Int.init)
      let image = try model.images(of: tokens, rows: header.rows, columns: header.columns)
      return model.store.device.images(image)[0]
    }
    return [
      whole,
      whole.map { $0.covering(cells, columns: header.columns, side: model.configuration.downsampling) },
    ]
  }
}

extension RGBImage {
  /// The image with some cells of a grid in grey.
  fileprivate func covering(_ cells: [Bool], columns: Int, side: Int) -> RGBImage {
    var pixels = pixels
    for y in 0..<height {
      for x in 0..<width where cells[y / side * columns + x / side] {
        for channel in 0..<3 { pixels[(y * width + x) * 3 + channel] = 128 }
      }
    }
    return RGBImage(width: width, height: height, pixels: pixels)
  }
}
