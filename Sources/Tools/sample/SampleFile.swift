import ImageModels
import StreamFormat
import ToolRuntime

/// The settings that are recorded with the samples, so that a result can be repeated.
struct SamplingSettings: Encodable {
  /// The name of the preset, of which single settings may be others.
  var preset: String?
  var precision: SamplingPrecision
  var guidance: Guidance?
  var draw: DrawOptions?
  /// Only where it is not the usual one.
  var drawMethod: DrawMethod?
  /// Which guesses count as right, and the places per pass, where they change the images.
  var alike: String?
  var fineGuidance: Float?
  var fineDraw: DrawOptions?
}

/// A token file that is written as images are drawn.
struct SampleFile {
  private let sink: AtomicOutput
  private let writer: TokenWriter

  /// - Throws: As `ToolSession.create`.
  init(
    _ output: OutputPath, _ header: TokenHeader, settings: String, shard: Shard?, _ session: ToolSession
  ) throws {
    sink = try session.create(output)
    writer = TokenWriter(
      RecordWriter(sink), header: header,
      metadata: session.provenanceMetadata.merging(["sampling": settings]) { $1 }, shard: shard)
  }

  /// Adds images: tokens [B, N] and a label each.
  func write(_ tokens: [[Int]], labels: [Int]) throws {
    try writer.write(
      TokenBatch(
        header: writer.header, tokens: tokens.flatMap { $0.map(UInt32.init) }, labels: labels.map(UInt32.init)
      ))
  }

  /// Finishes the file and renames it to its target.
  func finish() throws {
    try writer.finish()
    try sink.commit()
  }
}
