import ArgumentParser
import Foundation
import ImageModels
import Images
import StreamFormat
import TensorCore
import ToolKit
import Training

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
  @Option(help: "At most this many images.") var limit: Int?
  @Option(help: "View to decode, by number.") var view = 0
  @Option(help: "Images decoded at a time.") var batchSize = 64
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
    if enlarge < 1 || enlarge > 32 || batchSize < 1 || (columns ?? 1) < 1 || (limit ?? 1) < 1 || view < 0 {
      throw ValidationError(
        "--enlarge, --batch-size, --columns and --limit must be at least 1, --view at least 0.")
    }
  }

  func execute(_ session: ToolSession) throws {
    let device = Device(threadCount: session.threads)
    let model = try Tokenizer(session.readRecord(tokenizer), device: device)
    let reader = try session.openTokens(tokens)
    try session.requireSameCodebook(
      reader.header.codebookSHA256, of: tokens.path, as: model.codebookSHA256, of: tokenizer.path)
    guard view < reader.header.viewCount else {
      throw ToolError(
        .badData, "\(tokens.path): expected a view \(view); found \(reader.header.viewCount) views")
    }
    let start = ContinuousClock.now
    let decoded = try decode(reader, model, session)
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    if let folder { try ImageFolderWriter(folder).write(decoded, classNames: reader.header.classNames) }
    if let grid { try writeSheet(decoded, classCount: reader.header.classCount, grid, session) }
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

  private func decode(_ reader: TokenReader, _ model: Tokenizer, _ session: ToolSession) throws
    -> [LabelledImage]
  {
    var decoded: [LabelledImage] = []
    let header = reader.header
    let progress = session.progress("images")
    while decoded.count < limit ?? .max, let batch = try reader.next() {
      let count = min(batch.count, (limit ?? .max) - decoded.count)
      for first in stride(from: 0, to: count, by: batchSize) {
        try session.interruption.check()
        let items = first..<min(first + batchSize, count)
        let tokens = items.flatMap { batch.tokens(image: $0, view: view).map(Int.init) }
        let images = model.images(of: tokens, rows: header.rows, columns: header.columns)
        decoded += zip(model.store.device.images(images), items).map {
          LabelledImage(image: $0, label: Int(batch.labels[$1]))
        }
        progress.advance(by: items.count)
      }
    }
    progress.finish()
    guard !decoded.isEmpty else {
      throw ToolError(.badData, "\(tokens.path): expected at least one image; found none")
    }
    return decoded
  }

  private func writeSheet(
    _ decoded: [LabelledImage], classCount: Int, _ output: OutputPath, _ session: ToolSession
  ) throws {
    let images = decoded.map(\.image)
    let sheet = ContactSheet(enlargement: enlarge)
    let columns = columns ?? max(1, Int(Double(images.count).squareRoot().rounded(.up)))
    let picture: RGBImage
    if rowPerClass {
      let rows = (0..<classCount).map { label in decoded.filter { $0.label == label }.map(\.image) }
      picture = sheet.compose(rows: rows.filter { !$0.isEmpty })
    } else if let originals {
      let source = TrainingImages(try ImageFolder.list(originals), size: images[0].width, plan: .center)
      let items = Array(0..<min(images.count, source.listing.entries.count))
      let device = Device(threadCount: session.threads)
      let views = try source.views(of: items, on: device).map { try $0.get()[0] }
      picture = sheet.compose(views, above: images, columns: columns)
    } else {
      picture = sheet.compose(images, columns: columns)
    }
    let sink = try session.create(output)
    try PNGEncoder.encode(picture).withUnsafeBytes { try sink.write($0) }
    try sink.commit()
  }
}

/// A decoded image with its class.
struct LabelledImage {
  let image: RGBImage
  let label: Int
}
