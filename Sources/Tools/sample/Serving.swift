import ArgumentParser
import CTF
import FoundationEssentials
import Glibc
import ImageModels
import Images
import StreamFormat
import SuiteOptions
import TensorCore
import ToolRuntime
import VAR

/// A model that stays loaded and answers requests.
struct ServingOptions: ParsableArguments {
  @Flag(
    help: ArgumentHelp(
      "Stay loaded: read requests from standard input, a line of JSON each, such as {\"classes\": [3], \"seed\": 1}, and "
        + "write a line of JSON for each image, with its tokens or the name of its picture."))
  var serve = false
  @Option(help: "With --serve, tokenizer that makes the pictures of requests with 'png'.") var tokenizer:
    InputPath?

  func validate() throws {
    if !serve && tokenizer != nil {
      throw ValidationError(
        "--tokenizer is for the pictures of --serve; detokenize makes those of a token file.")
    }
    if serve && tokenizer?.isStandardInput == true {
      throw ValidationError("--serve reads requests from standard input; name files for its models.")
    }
  }

  /// Answers requests until standard input ends.
  /// - Throws: `ToolError` (bad data) for a tokenizer that makes no pictures of what is drawn; as `Server.run`.
  func serve(
    _ session: ToolSession, _ loaded: SampledModel, fine: FineStage?, _ drawing: DrawingOptions,
    batchSize: Int, device: Device, model: String
  ) throws {
    let decoder = try tokenizer.map { try Tokenizer(session.readRecord($0), device: device) }
    var alike = AlikeCodes.none
    if case .raster(let packed, let description) = loaded {
      alike = try drawing.speculation.alike(
        description, codes: packed.configuration.vocabularySize, of: model, session)
    }
    let server = Server(
      session: session, model: loaded, fine: fine, tokenizer: decoder, guidance: drawing.guidance,
      draw: drawing.draw, speculation: drawing.speculation, alike: alike, batchSize: batchSize,
      modelPath: model)
    try server.requireFit(tokenizer)
    try server.run(LineReader(FileSource(descriptor: 0, name: "standard input"), limit: 1 << 20))
  }
}

/// Answers requests one after the other.
struct Server {
  let session: ToolSession
  let model: SampledModel
  let fine: FineStage?
  let tokenizer: Tokenizer?
  /// How images are drawn where a request does not say it.
  let guidance: (Guidance.Schedule) -> Guidance
  let draw: DrawOptions
  let speculation: SpeculationOptions
  let alike: AlikeCodes
  let batchSize: Int
  let modelPath: String

  /// Answers until the requests end.
  /// - Throws: `StreamError`. What is wrong with one request is its answer.
  func run(_ requests: LineReader) throws {
    while let line = try next(requests) {
      if line.allSatisfy({ $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }) { continue }
      // Also an answer that says what is wrong goes to who asked.
      let id = (try? decodeStrictJSON(Identified.self, from: Array(line)))?.id
      do {
        try answer(decodeStrictJSON(SampleRequest.self, from: Array(line)))
      } catch let error as StreamError where isOfStandardOutput(error) {
        throw error
      } catch {
        try write(["error": .string("request \(requests.count): \(words(error))")], id)
      }
    }
  }

  /// The next line that is short enough to be read; a longer one is answered.
  private func next(_ requests: LineReader) throws -> ArraySlice<UInt8>? {
    while true {
      do {
        return try requests.next()
      } catch let error as LineReader.TooLong {
        try requests.skip()
        try write(["error": .string("request \(requests.count): \(error.description)")], nil)
      }
    }
  }

  private struct Identified: Decodable {
    var id: JSONValue?

    private enum Keys: String, CodingKey { case id }

    init(from decoder: any Decoder) throws {
      let values = try decoder.container(keyedBy: Keys.self)
      if values.contains(.id) { id = try values.decode(JSONValue.self, forKey: .id) }
    }
  }

  private func answer(_ request: SampleRequest) throws {
    let draw = try request.drawing(draw)
    if let scale = request.guidance, !scale.isFinite {
      throw SampleRequest.Refusal("a finite guidance scale", "\(scale)", try: "2")
    }
    if request.png != nil, tokenizer == nil {
      throw SampleRequest.Refusal("--tokenizer, for 'png'", "none", try: "sample --serve --tokenizer FILE")
    }
    let seed = request.seed ?? session.seed
    let labels = try request.labels(classCount: model.classCount, names: model.classNames)
    let scaled = { (schedule: Guidance.Schedule) in
      var guidance = guidance(schedule)
      guidance.scale = request.guidance ?? guidance.scale
      return guidance
    }
    let stage = stage(labels: labels, guidance: scaled, draw, seed)
    var fine = fine
    try fine?.fit(stage.header, of: modelPath, session)
    let picture = { (image: Int) in request.png.map { "\($0)-\(image).png" } }
    // Before any is written: a request that is sent again would fail at those of its first half.
    for image in stage.labels.indices { try picture(image).map { try session.requireNew($0) } }
    let sampler = StagedSampler(first: stage, second: fine, seed: seed)
    for begin in stride(from: 0, to: stage.labels.count, by: batchSize) {
      let images = begin..<min(begin + batchSize, stage.labels.count)
      guard let drawn = try sampler.draw(images) else { return }
      for (image, tokens) in zip(images, drawn) {
        var fields: [String: JSONValue] = [
          "class": .integer(stage.labels[image]), "image": .integer(image),
          "of": .integer(stage.labels.count),
        ]
        if let path = picture(image) {
          fields["png"] = .string(try writePicture(of: tokens, sampler.header, to: path))
        } else {
          fields["tokens"] = .array(tokens.map { .integer($0) })
        }
        try write(fields, request.id)
      }
    }
  }

  /// Stops unless the second stage fits to the first, and the tokenizer makes pictures of what is drawn.
  /// - Throws: `ToolError` (bad data).
  func requireFit(_ path: InputPath?) throws {
    let stage = stage(labels: [0], guidance: guidance, draw, session.seed)
    var fine = fine
    try fine?.fit(stage.header, of: modelPath, session)
    guard let path, let tokenizer else { return }
    try session.requireDecodable(
      fine?.header(for: stage.header) ?? stage.header, of: fine?.path ?? modelPath, by: tokenizer,
      of: path.path)
  }

  private func stage(
    labels: [Int], guidance: (Guidance.Schedule) -> Guidance, _ draw: DrawOptions, _ seed: UInt64
  ) -> any FirstStage {
    let interrupted = { session.interruption.isRaised }
    switch model {
    case .raster(let packed, let description):
      return ModelStage(
        packed, description, labels: labels, guidance: guidance(.constant), draw: draw, seed: seed,
        method: speculation.drawMethod, window: speculation.speculate, alike: alike, interrupted: interrupted)
    case .scales(let transformer, let description):
      return ScaleStage(
        transformer, description, labels: labels, guidance: guidance(.linear), draw: draw, seed: seed,
        interrupted: interrupted)
    }
  }

  /// Writes a new PNG file, and gives its name.
  private func writePicture(of tokens: [Int], _ header: TokenHeader, to path: String) throws -> String {
    guard let tokenizer else { preconditionFailure("a picture without a tokenizer") }
    let images = try tokenizer.images(of: tokens, rows: header.rows, columns: header.columns)
    let output = try session.createNew(path)
    try PNGEncoder.encode(tokenizer.store.device.images(images)[0]).withUnsafeBytes { try output.write($0) }
    try output.commit()
    return path
  }

  private func write(_ fields: [String: JSONValue], _ id: JSONValue?) throws {
    var fields = fields
    if let id { fields["id"] = id }
    try session.printLine(sortedJSON(fields))
  }

  private func isOfStandardOutput(_ error: StreamError) -> Bool {
    switch error {
    case .closedPipe: true
    case .writeFailed(let file, _): file == "standard output"
    default: false
    }
  }

  private func words(_ error: any Error) -> String {
    switch error {
    case let refusal as SampleRequest.Refusal: refusal.text
    case let error as any CustomStringConvertible & ExitCoded: shortened(error.description, to: 480)
    default: "expected a line of strict JSON; found another text; try: {\"classes\": [0]}"
    }
  }
}

extension SampledModel {
  fileprivate var classCount: Int {
    switch self {
    case .raster(let model, _): model.configuration.classCount
    case .scales(let model, _): model.configuration.classCount
    }
  }

  fileprivate var classNames: [String] {
    switch self {
    case .raster(_, let description), .scales(_, let description): description.classNames
    }
  }
}
