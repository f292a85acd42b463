import Datasets
import Evaluation
import FoundationEssentials
import Glibc
import Images
import StreamFormat
import TensorCore
import ToolRuntime

/// What is written of each batch beside the summary: the logits, and the loss of each token and of each image.
struct BatchOutputs {
  private let data: TokenDataset
  private let items: [(item: Int, view: Int)]
  /// Metadata of all records.
  private let metadata: [String: String]
  private let logits: RecordOutput?
  private let map: RecordOutput?
  private let rank: AtomicOutput?
  private var ranking: ImageRanking
  private let sheet: AtomicOutput?
  private var maps: MapSheet
  /// Images that were added.
  private var count = 0

  /// A file of records.
  private struct RecordOutput {
    let sink: AtomicOutput
    let writer: RecordWriter

    init(_ sink: AtomicOutput) { (self.sink, writer) = (sink, RecordWriter(sink)) }

    func finish() throws {
      try writer.finish()
      try sink.commit()
    }
  }

  /// Creates the files.
  /// - Parameter items: images of `data` in the order in which they are added.
  /// - Throws: As `ToolSession.create`; `ImageError` for a sheet that would be too large.
  init(
    logits: OutputPath?, _ places: PlaceOptions, _ data: TokenDataset, items: [(item: Int, view: Int)],
    _ part: ShardPart, _ session: ToolSession
  ) throws {
    (self.data, self.items) = (data, items)
    metadata = session.provenanceMetadata.merging(part.shard?.metadata ?? [:]) { _, own in own }
    maps = MapSheet(
      data.header, count: places.mapSheet == nil ? 0 : min(places.draw ?? 64, items.count),
      enlargement: places.enlarge ?? 4)
    ranking = ImageRanking(data)
    try maps.requireSize()
    self.logits = try logits.map { RecordOutput(try session.create($0)) }
    map = try places.map.map { RecordOutput(try session.create($0)) }
    rank = try places.rank.map { try session.create($0, binary: false) }
    sheet = try places.mapSheet.map { try session.create($0) }
  }

  /// Adds a batch of whole images: logits [B * N, V], and B * N losses in nats.
  mutating func add(_ logits: Tensor, losses: [Double]) throws {
    try self.logits?.writer.write(logitRecord(UnsafeBufferPointer(logits.buffer)))
    let tokens = data.header.tokensPerView
    let batch = items[count..<count + losses.count / tokens].map(\.item)
    try map?.writer.write(mapRecord(losses, images: batch))
    for (index, image) in batch.enumerated() {
      let own = losses[index * tokens..<(index + 1) * tokens]
      if rank != nil { ranking.add(image: image, own) }
      maps.add(own)
    }
    count += batch.count
  }

  /// Finishes the files. A file of records has at least one.
  func finish() throws {
    if count == 0 {
      try logits?.writer.write(logitRecord(UnsafeBufferPointer(start: nil, count: 0)))
      try map?.writer.write(mapRecord([], images: []))
    }
    try logits?.finish()
    try map?.finish()
    if let rank {
      try rank.write(text: ranking.table)
      try rank.commit()
    }
    if let sheet {
      try PNGEncoder.encode(maps.picture()).withUnsafeBytes { try sheet.write($0) }
      try sheet.commit()
    }
  }

  private func logitRecord(_ logits: UnsafeBufferPointer<Float>) -> Record {
    let (tokens, codes) = (data.header.tokensPerView, data.header.vocabSize)
    return Record(
      kind: .features, metadata: metadata,
      tensors: [
        StoredTensor(name: "logits", shape: [logits.count / (tokens * codes), tokens, codes], floats: logits)
      ])
  }

  /// Losses in float64, so that they add up to the loss in the summary.
  private func mapRecord(_ losses: [Double], images: [Int]) -> Record {
    let grid = data.header.metadata.filter { ["grid", "layout", "scales"].contains($0.key) }
    return Record(
      kind: .features,
      metadata: metadata.merging(grid) { own, _ in own }.merging(["network": "nats-per-token"]) { own, _ in
        own
      },
      tensors: [
        StoredTensor(name: "features", shape: [images.count, data.header.tokensPerView], doubles: losses),
        StoredTensor(name: "images", shape: [images.count], uint32s: images.map(UInt32.init)),
      ])
  }
}

/// Images in the order of their probability.
struct ImageRanking {
  private let data: TokenDataset
  private var nats: [(image: Int, nats: Double)] = []

  init(_ data: TokenDataset) { self.data = data }

  /// Adds an image, by its place in the file, with the losses of its tokens.
  mutating func add(image: Int, _ losses: ArraySlice<Double>) {
    nats.append((image, UnroundedSum(Array(losses)).value))
  }

  /// Lines of columns with tabs between them, the most probable image first; of equal ones in the order of the file.
  var table: String {
    let (names, tokens) = (data.header.classNames, data.header.tokensPerView)
    let lines = nats.sorted { ($0.nats, $0.image) < ($1.nats, $1.image) }.map { image, nats in
      let label = data.labels[image]
      let name = names.indices.contains(label) ? visible(names[label]) : ""
      return "\(image)\t\(label)\t\(name)\t\(nats)\t\(nats / Double(tokens))"
    }
    return (["image\tclass\tname\tnats\tnats_per_token"] + lines).joined(separator: "\n") + "\n"
  }
}

/// Heat maps of the losses of images. Images of one grid stand side by side. An image of several scales is a row with a map
/// for each scale, the smallest first, all of the size of the largest.
struct MapSheet {
  private let header: TokenHeader
  /// Images that are drawn.
  private let count: Int
  private let layout: ContactSheet
  private let colours: HeatScale
  private var maps: [[RGBImage]] = []

  init(_ header: TokenHeader, count: Int, enlargement: Int) {
    (self.header, self.count) = (header, count)
    layout = ContactSheet(background: RGBColor(128, 128, 128), enlargement: enlargement)
    // The loss of a uniform guess. One code has none to guess.
    colours = HeatScale(full: log(Double(max(2, header.vocabSize))))
  }

  /// Maps in a row of the sheet.
  private var columns: Int {
    guard case .scales(let sides) = header.layout else {
      return max(1, Int(Double(count).squareRoot().rounded(.up)))
    }
    return sides.count
  }

  /// Stops before the work where the sheet would be too large.
  /// - Throws: `ImageError.tooLarge`.
  func requireSize() throws {
    let rows = header.layout == .raster ? (count + columns - 1) / columns : count
    _ = try layout.size(
      rows: rows, columns: columns, imageWidth: header.columns, imageHeight: header.rows)
  }

  /// Adds the losses of the next image, unless enough are there.
  mutating func add(_ losses: ArraySlice<Double>) {
    guard maps.count < count else { return }
    guard case .scales(let sides) = header.layout else {
      return maps.append([colours.picture(of: losses, rows: header.rows, columns: header.columns)])
    }
    var rest = losses
    maps.append(
      sides.map { side in
        let own = rest.prefix(side * side)
        rest = rest.dropFirst(side * side)
        return colours.picture(
          of: own, rows: side, columns: side, size: (header.rows, header.columns))
      })
  }

  /// The sheet.
  func picture() throws -> RGBImage {
    header.layout == .raster
      ? try layout.compose(maps.flatMap { $0 }, columns: columns) : try layout.compose(rows: maps)
  }
}
