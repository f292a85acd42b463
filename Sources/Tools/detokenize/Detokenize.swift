import ArgumentParser
import Autograd
import Datasets
import FoundationEssentials
import Glibc
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

  @Argument(help: "Token file, or '-' for standard input.") var tokens: InputPath
  @Option(help: "Tokenizer file of the tokens' codebook.") var tokenizer: InputPath
  @Option(help: "Write one PNG with all images to this file, or to standard output for '-'.") var grid:
    OutputPath?
  @Option(help: "Write one PNG per image to this new folder, with one sub-folder per class.") var folder:
    OutputFolder?
  @Option(help: "Write the .npz of ADM's evaluation (arr_0: uint8 [n, H, W, 3]; arr_1: labels), or '-'.")
  var npz: OutputPath?
  @Option(help: "Number of images per row of --grid. (default: about as many as rows)") var columns: Int?
  @Flag(help: "One row of --grid per class.") var rowPerClass = false
  @Option(
    help: ArgumentHelp(
      "Folder that was tokenised: each row of --grid shows the originals above their "
        + "reconstructions."))
  var originals: InputPath?
  @OptionGroup(title: "Completed images") var given: GivenOptions
  @Option(help: "Factor by which --grid is enlarged, from 1 to 32.") var enlarge = 1
  @Option(
    help: ArgumentHelp(
      "Height of the images in pixels, to which they are scaled before they are rounded to bytes, as PyTorch's bicubic "
        + "interpolation does (without antialiasing). Models of 384 pixels have published figures at 256. (default: the "
        + "tokenizer's)"))
  var resize: Int?
  @OptionGroup var view: ViewOptions
  @Option(help: "Number of images decoded at a time. (default: those of 2^20 pixels, from 1 to 64)")
  var batchSize: Int?
  @Option(help: "Number format of the operands of convolutions and large matrix products.")
  var precision = Precision.float32
  @Flag(help: "Enlarge originals that are smaller than their reconstructions; otherwise they are an error.")
  var allowUpscale = false
  @OptionGroup(title: "Decoding of --originals") var decoding: DecodingFlags
  @OptionGroup var sharding: ShardOptions
  @OptionGroup(title: "Selection") var selection: ImageSelection
  @OptionGroup var estimating: EstimateOptions
  @OptionGroup(title: "Common") var common: CommonOptions

  func validate() throws {
    try common.requireFreeStandardOutput(besides: grid, npz, isEstimate: estimating.estimate)
    try InputPath.requireDistinct(tokens, tokenizer, given.given)
    if grid == nil && folder == nil && npz == nil {
      throw ValidationError("give at least one of --grid, --folder and --npz.")
    }
    if rowPerClass && (columns != nil || originals != nil || given.given != nil) {
      throw ValidationError("--row-per-class decides the rows; leave --columns, --originals and --given out.")
    }
    if given.given != nil && (grid == nil || originals != nil) {
      throw ValidationError("--given needs --grid, and takes the place of --originals.")
    }
    if originals == nil && (allowUpscale || decoding.isGiven) {
      throw ValidationError("--allow-upscale and the options of decoding are for --originals.")
    }
    if !(1...1 << 14).contains(resize ?? 1) { throw ValidationError("--resize must be from 1 to 16384.") }
    if resize != nil && given.given != nil {
      throw ValidationError("--given shows images as they are; leave --resize out.")
    }
    if originals != nil && grid == nil { throw ValidationError("--originals needs --grid.") }
    if sharding.shard != nil && grid != nil {
      throw ValidationError("--grid shows all images on one sheet; leave --shard out, or write a --folder.")
    }
    if sharding.shard != nil && npz != nil {
      throw ValidationError(
        "archives of shards cannot be concatenated: leave --shard out, which writes any number of images in little "
          + "memory, or write a --folder.")
    }
    if !(1...32).contains(enlarge) { throw ValidationError("--enlarge must be from 1 to 32.") }
    if [batchSize ?? 1, columns ?? 1].contains(where: { !(1...1 << 20).contains($0) }) {
      throw ValidationError("--batch-size and --columns must be from 1 to 2^20.")
    }
  }

  func execute(_ session: ToolSession) throws {
    let device = session.device(precision)
    let model = try Tokenizer(session.readRecord(tokenizer), device: device)
    model.freeze()
    let reader = try session.openTokens(tokens)
    try session.requireDecodable(reader.header, of: tokens.path, by: model, of: tokenizer.path)
    let view = view.number(in: reader.header)
    guard view < reader.header.viewCount else {
      throw ToolError(
        .badData, tokens.path,
        expected: "a view \(view)",
        found: "views 0 to \(reader.header.viewCount - 1)",
        try: "another --view")
    }
    let files = try folder.map { try session.create($0) }
    let data = try TokenDataset(reader)
    try sharding.requireWhole(data.shard, of: tokens.path)
    let chosen = try selection.items(of: data, in: tokens.path)
    // Whole batches, so that the pictures are those of a whole run to the last bit.
    let part = sharding.part(of: chosen.count, batchSize: imagesPerBatch(model, data.header))
    let items = Array(chosen[part.items])
    let pictureSize = size(model, data.header)
    try session.requireMemory(
      toRun: model.configuration.parameterBytes,
      bytesPerImage: model.configuration.passBytesPerImage(
        size: data.header.rows * model.configuration.downsampling)
        + 15 * Double(pictureSize.height) * Double(pictureSize.width),
      images: min(imagesPerBatch(model, data.header), items.count))
    for output in [grid, npz].compactMap({ $0 }) { try session.requireCreatable(output) }
    try session.finish(estimating)
    let above =
      try originals.map {
        [
          try readOriginals(
            $0, items, of: data, session,
            size: resize ?? data.header.rows * model.configuration.downsampling, device)
        ]
      } ?? given.pictures(session, of: data, items: items, model)
    let start = ContinuousClock.now
    let archive = try npz.map {
      try ImageArchive(session.create($0), size(model, data.header), labels: items.map { data.labels[$0] })
    }
    var pictures = try files.map {
      try ImageFolderWriter(
        $0, classNames: reader.header.classNames, labels: Set(chosen.map { data.labels[$0] }),
        first: part.items.lowerBound)
    }
    var decoded: [LabelledImage] = []
    try decode(items, of: data, model, session) { images in
      try archive?.write(images)
      try pictures?.write(images)
      // A sheet needs all of them; the others are written as they come.
      if grid != nil { decoded += images }
    }
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    try pictures?.finish()
    if let grid {
      let sink = try session.create(grid)
      try PNGEncoder.encode(try sheet(decoded, above: above))
        .withUnsafeBytes { try sink.write($0) }
      try sink.commit()
    }
    try archive?.finish()
    let summary: [String: JSONValue] = [
      "images": .integer(items.count), "seconds": .number(seconds),
      "images_per_second": .number(Double(items.count) / seconds),
    ]
    try session.report(summary.merging(part.summary) { own, _ in own })
  }

  private func decode(
    _ items: [Int], of data: TokenDataset, _ model: Tokenizer, _ session: ToolSession,
    visit: ([LabelledImage]) throws -> Void
  ) throws {
    let progress = session.progress("images", total: items.count)
    let batchSize = imagesPerBatch(model, data.header)
    for first in stride(from: 0, to: items.count, by: batchSize) {
      try session.interruption.check()
      let part = items[first..<min(first + batchSize, items.count)]
      let tokens = part.flatMap { data.tokens(item: $0, view: view.number(in: data.header)).map(Int.init) }
      let images = resized(
        try model.images(of: tokens, rows: data.header.rows, columns: data.header.columns),
        to: size(model, data.header), on: model.store.device)
      try visit(
        zip(model.store.device.images(images), part).map {
          LabelledImage(image: $0, label: data.labels[$1])
        })
      progress.advance(by: part.count)
    }
    progress.finish()
  }

  /// Height and width of the pictures that are written.
  private func size(_ model: Tokenizer, _ header: TokenHeader) -> (height: Int, width: Int) {
    let scale = model.configuration.downsampling
    guard let resize else { return (header.rows * scale, header.columns * scale) }
    return (resize, max(1, (resize * header.columns + header.rows / 2) / header.rows))
  }

  private func resized(_ images: Tensor, to size: (height: Int, width: Int), on device: Device) -> Tensor {
    if resize == nil { return images }
    let tape = Tape(device: device, isRecording: false)
    return tape.interpolate(Variable(images), height: size.height, width: size.width, .bicubic).value
  }

  /// The activations of a batch take memory in proportion to its pixels: at 256 x 256, 16 images.
  private func imagesPerBatch(_ model: Tokenizer, _ header: TokenHeader) -> Int {
    let side = model.configuration.downsampling
    return batchSize ?? min(64, max(1, (1 << 20) / (header.rows * header.columns * side * side)))
  }

  /// The first view of the images that the tokens were made from.
  private func readOriginals(
    _ folder: InputPath, _ items: [Int], of data: TokenDataset, _ session: ToolSession, size: Int,
    _ device: Device
  ) throws -> [RGBImage] {
    let listing = try session.listImages(folder)
    let places = data.listedPlaces
    guard listing.entries.count == data.listedCount,
      places.map({ listing.entries[$0].label }) == data.labels
    else {
      throw ToolError(
        .badData, folder.path,
        expected: "the \(data.listedCount) images that \(tokens.path) was made from, in its order of classes",
        found: listing.entries.count == data.listedCount
          ? "as many of other classes" : "\(listing.entries.count)", try: "the images that tokenize was given"
      )
    }
    let source = ImageDataset(
      listing,
      ImageReading(size: size, views: .center, allowUpscale: allowUpscale, decoding: decoding.options))
    return try source.views(of: items.map { places[$0] }, on: device).map { try $0.get()[0] }
  }

  private func sheet(_ decoded: [LabelledImage], above: [[RGBImage]]) throws -> RGBImage {
    let images = decoded.map(\.image)
    let sheet = ContactSheet(enlargement: enlarge)
    let side = max(1, Int(Double(images.count).squareRoot().rounded(.up)))
    // All completions of an image stand in one row, below the image itself.
    let fillings = above.first.map { row in row.prefix { $0 == row[0] }.count } ?? 1
    let columns = columns ?? (side + fillings - 1) / fillings * fillings
    if rowPerClass {
      let rows = Dictionary(grouping: decoded, by: \.label).sorted { $0.key < $1.key }
      return try sheet.compose(rows: rows.map { $0.value.map(\.image) })
    }
    return try sheet.compose(stacked: above + [images], columns: columns)
  }
}

/// A decoded image with its class.
struct LabelledImage {
  let image: RGBImage
  let label: Int
}
