import ArgumentParser
import Datasets
import Foundation
import ImageModels
import Images
import StreamFormat
import SuiteOptions
import TensorCore
import ToolRuntime

@main struct Detokenize: Tool {
  static let toolName = "detokenize"
  static let summary = "Turns tokens into images: a picture sheet, a folder of PNGs, or an ADM .npz."
  static let usageExample =
    "detokenize --tokenizer tokenizer.tensors.zst samples.tokens.zst --grid samples.png --columns 8"
  static var versionDetails: [String] { BuildInformation.lines }

  @Argument(help: "Token file, or '-'.") var tokens: InputPath
  @Option(help: "Tokenizer file.") var tokenizer: InputPath
  @Option(help: "Write one PNG with all images, or '-'.") var grid: OutputPath?
  @Option(help: "Write a folder of PNGs, a sub-folder a class.") var folder: String?
  @Option(help: "Write an ADM .npz (arr_0, uint8 [n, H, W, 3]; arr_1, labels), or '-'.") var npz: OutputPath?
  @Option(help: "Images in a row of the sheet.") var columns: Int?
  @Flag(help: "A row of the sheet for each class.") var rowPerClass = false
  @Option(help: "Show these originals above their reconstructions: the folder that was tokenised.")
  var originals: String?
  @Option(help: "Enlarge the sheet by a whole factor.") var enlarge = 1
  @Option(help: "View to decode, by number.") var view = 0
  @Option(help: "Images decoded at a time.") var batchSize = 64
  @Option(help: "Format of convolutions and matrix products: float32 or bfloat16.")
  var precision = Precision.float32
  @OptionGroup(title: "Selection") var selection: ImageSelection
  @OptionGroup(title: "Common") var common: CommonOptions

  func validate() throws {
    try common.requireFreeStandardOutput(besides: grid, npz)
    try InputPath.requireDistinct(tokens, tokenizer)
    if grid == nil && folder == nil && npz == nil {
      throw ValidationError("give at least one of --grid, --folder and --npz.")
    }
    if rowPerClass && (columns != nil || originals != nil) {
      throw ValidationError("--row-per-class decides the columns; leave --columns and --originals out.")
    }
    if originals != nil && grid == nil { throw ValidationError("--originals needs --grid.") }
    if folder == "" { throw ValidationError("--folder needs a name.") }
    if !(1...32).contains(enlarge) { throw ValidationError("--enlarge must be from 1 to 32.") }
    if [batchSize, columns ?? 1].contains(where: { !(1...1 << 20).contains($0) }) || view < 0 {
      throw ValidationError("--batch-size and --columns must be from 1 to 2^20, --view at least 0.")
    }
  }

  func execute(_ session: ToolSession) throws {
    let device = session.device(precision)
    let model = try Tokenizer(session.readRecord(tokenizer), device: device)
    model.freeze()
    let reader = try session.openTokens(tokens)
    try session.requireSameCodebook(
      reader.header.codebookSHA256, of: tokens.path, as: model.codebookSHA256, of: tokenizer.path)
    guard view < reader.header.viewCount else {
      throw ToolError(
        .badData,
        "\(tokens.path): expected a view \(view); found views 0 to \(reader.header.viewCount - 1); try: another --view"
      )
    }
    try folder.map { try ImageFolderWriter($0).requireNew() }
    let batch = try reader.readAll()
    let items = try selection.items(of: TokenDataset(batch), in: tokens.path)
    let above = try originals.map {
      try readOriginals(
        $0, items, of: batch, size: batch.header.rows * model.configuration.downsampling, device)
    }
    let start = ContinuousClock.now
    let decoded = try decode(items, of: batch, model, session)
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    if let folder { try ImageFolderWriter(folder).write(decoded, classNames: reader.header.classNames) }
    if let grid {
      let sink = try session.create(grid)
      try PNGEncoder.encode(try sheet(decoded, above: above))
        .withUnsafeBytes { try sink.write($0) }
      try sink.commit()
    }
    if let npz {
      let sink = try session.create(npz)
      try NumPyArchive.write(decoded, to: sink)
      try sink.commit()
    }
    try session.report([
      "images": .integer(decoded.count), "seconds": .number(seconds),
      "images_per_second": .number(Double(decoded.count) / seconds),
    ])
  }

  private func decode(
    _ items: [Int], of batch: TokenBatch, _ model: Tokenizer, _ session: ToolSession
  ) throws -> [LabelledImage] {
    var decoded: [LabelledImage] = []
    let progress = session.progress("images", total: items.count)
    for first in stride(from: 0, to: items.count, by: batchSize) {
      try session.interruption.check()
      let part = items[first..<min(first + batchSize, items.count)]
      let tokens = part.flatMap { batch.tokens(image: $0, view: view).map(Int.init) }
      let images = try model.images(of: tokens, rows: batch.header.rows, columns: batch.header.columns)
      decoded += zip(model.store.device.images(images), part).map {
        LabelledImage(image: $0, label: Int(batch.labels[$1]))
      }
      progress.advance(by: part.count)
    }
    progress.finish()
    return decoded
  }

  /// The first view of the images that the tokens were made from.
  private func readOriginals(
    _ folder: String, _ items: [Int], of batch: TokenBatch, size: Int, _ device: Device
  ) throws -> [RGBImage] {
    let listing = try ImageFolder.list(folder)
    let places = batch.listedPlaces
    guard listing.entries.count == batch.listedCount,
      places.map({ UInt32(listing.entries[$0].label) }) == batch.labels
    else {
      throw ToolError(
        .badData,
        "\(folder): expected the \(batch.listedCount) images that \(tokens.path) was made from, in its order of classes; "
          + "found \(listing.entries.count)")
    }
    let source = ImageDataset(listing, size: size, plan: .center)
    return try source.views(of: items.map { places[$0] }, on: device).map { try $0.get()[0] }
  }

  private func sheet(_ decoded: [LabelledImage], above originals: [RGBImage]?) throws -> RGBImage {
    let images = decoded.map(\.image)
    let sheet = ContactSheet(enlargement: enlarge)
    let columns = columns ?? max(1, Int(Double(images.count).squareRoot().rounded(.up)))
    if rowPerClass {
      let rows = Dictionary(grouping: decoded, by: \.label).sorted { $0.key < $1.key }
      return try sheet.compose(rows: rows.map { $0.value.map(\.image) })
    }
    return try originals.map { try sheet.compose($0, above: images, columns: columns) }
      ?? sheet.compose(images, columns: columns)
  }
}

/// A decoded image with its class.
struct LabelledImage {
  let image: RGBImage
  let label: Int
}
