import Evaluation
import FeatureNetworks
import Images
import Metrics
import StreamFormat
import TensorCore
import ToolRuntime

/// One run of the tool, after its inputs were opened.
struct EvaluationRun {
  let session: ToolSession
  let device: Device
  let network: (any FeatureNetwork)?
  let perceptual: PerceptualDistance?
  let inputs: InputOptions
  let metrics: MetricOptions
  let outputs: OutputOptions

  // MARK: One side

  /// Writes features or statistics of one side.
  func write(_ input: LoadedInput) throws {
    session.settings = try outputs.sharding.settings([
      "size": inputs.size, "allow_upscale": inputs.allowUpscale, "decoding": inputs.decoding.options,
      "reference_part": inputs.referencePart.rawValue, "held_out": inputs.heldOut.heldOut,
      "split_seed": inputs.heldOut.splitSeed, "batch_size": metrics.batchSize,
    ])
    let sink = try outputs.writeFeatures.map { try session.create($0) }
    let writer = sink.map { RecordWriter($0) }
    let (own, part) = self.part(of: input)
    let set = try features(of: own) { batch, hashes, identity in
      let metadata = session.provenanceMetadata.merging(part.shard?.metadata ?? [:]) { _, own in own }
      let record = Record(batch, pixelHashes: hashes, identity, provenance: metadata)
      // A shard without images has looked at one, to learn how long its features are.
      try writer?.write(part.items.isEmpty ? record.withoutRows : record)
    }
    if outputs.writeFeatures != nil, case .features = input {
      throw ToolError(
        .usage, set.path,
        expected: "images for --write-features",
        found: "features",
        try: "copy the file")
    }
    try writer?.finish()
    try sink?.commit()
    if let statistics = outputs.writeStatistics {
      try session.write(Record(statistics: set, on: device), to: statistics)
    }
    let count = part.shard == nil ? set.count : part.items.count
    let summary: [String: JSONValue] = [
      "images": count.map { .integer($0) } ?? .null, "features": .integer(set.dimension),
    ]
    try session.report(summary.merging(part.summary) { own, _ in own })
  }

  /// What this run looks at of an input: all of it, or whole batches of its images, which have the features that they have in
  /// a whole run to the last bit.
  private func part(of input: LoadedInput) -> (LoadedInput, ShardPart) {
    guard case .images(let images, let kind, _) = input else {
      return (input, ShardPart(items: 0..<0, shard: nil))
    }
    let part = outputs.sharding.part(of: images.count, batchSize: metrics.batchSize)
    guard part.shard != nil else { return (input, part) }
    let own = part.items.isEmpty ? images.part(0..<min(1, images.count)) : images.part(part.items)
    return (.images(own, kind: kind, stored: nil), part)
  }

  private func features(
    of input: LoadedInput, visit: (FeatureBatch, [String], NetworkIdentity) throws -> Void = { _, _, _ in }
  ) throws -> FeatureSet {
    switch input {
    case .features(let set):
      if let name = metrics.network, name != set.network.name {
        throw ToolError(
          .badData, set.path,
          expected: "features of network \(name), as --network says",
          found: "\(set.network.name)",
          try: "leave --network out, or extract them again")
      }
      return set
    case .images(let images, let kind, let stored):
      if let stored, !metrics.needsEachImage { return stored }
      guard let network else {
        if let name = metrics.network {
          throw ToolError(
            .usage, "--network \(name)", expected: "--weights, to look at the images of \(images.name) with",
            found: "no such option", try: "--weights FILE")
        }
        throw ToolError(
          .usage, images.name, expected: "--network, to look at images with", found: "none",
          try: "one of " + FeatureNetworks.names.joined(separator: ", "))
      }
      let extraction = FeatureExtraction(
        session: session, network: network, batchSize: metrics.batchSize, device: device)
      var set = try extraction.run(images, kind: kind) { try visit($0, $1, NetworkIdentity(network)) }
      if let stored { set.take(statisticsOf: stored) }
      return set
    }
  }

  // MARK: Two sides

  /// Computes everything that was asked for and reports it.
  /// - Parameter shown: the images for the sheet: those of both sides, of which the sides may be the features.
  func compare(
    _ reference: LoadedInput, _ samples: LoadedInput, shown: (reference: LoadedInput, samples: LoadedInput)
  ) throws {
    warnOfUnused([reference, samples, shown.reference, shown.samples])
    var report = Report(pairs: metrics.pairs)
    if metrics.pairs {
      let (a, b) = try bothImages(reference, samples, for: "--pairs")
      let pairs = PairComparison(
        session: session, batchSize: metrics.batchSize, device: device, perceptual: perceptual,
        inOrder: metrics.pairsInOrder)
      try pairs.run(a, b, into: &report)
    }
    // The images of a sheet are checked before the work, not after it.
    let pictures = try outputs.nearestSheet.map { _ in
      try bothImages(shown.reference, shown.samples, for: "--nearest-sheet")
    }
    if metrics.network != nil || !metrics.pairs {
      let sets = (reference: try features(of: reference), samples: try features(of: samples))
      try requireSameNetwork(sets.reference, sets.samples)
      let comparison = DistributionComparison(
        reference: sets.reference, samples: sets.samples, options: metrics, seed: session.seed, device: device
      )
      try comparison.run(into: &report)
      if let sheet = outputs.nearestSheet, let pictures { try writeSheet(sheet, pictures, sets) }
    }
    report.describe(inputs, seed: session.seed)
    for warning in report.warnings { session.warn("warning: \(warning)") }
    try session.report(report.json)
    if !session.options.json { for line in report.table { try session.printLine(line) } }
  }

  /// Names options that change nothing, since no input has what they are for.
  private func warnOfUnused(_ sides: [LoadedInput]) {
    let kinds = sides.compactMap { side -> String? in
      if case .images(_, let kind, _) = side { kind } else { nil }
    }
    if kinds.isEmpty, inputs.size != nil {
      session.warn("warning: --size is for images, and both sides are features: it changes nothing")
    }
    if !kinds.contains("tokens"), inputs.tokenizer != nil, metrics.network != "tokenizer" {
      session.warn("warning: --tokenizer is for tokens, and no side has any: it changes nothing")
    }
  }

  private func bothImages(
    _ reference: LoadedInput, _ samples: LoadedInput, for option: String
  ) throws -> (reference: ImageSet, samples: ImageSet) {
    guard case .images(let a, _, _) = reference, case .images(let b, _, _) = samples else {
      throw ToolError(
        .usage, option,
        expected: "images on both sides",
        found: "features",
        try: "folders, .npz or tokens")
    }
    return (a, b)
  }

  private func requireSameNetwork(_ a: FeatureSet, _ b: FeatureSet) throws {
    let known = [a.network.weightsSHA256, b.network.weightsSHA256].allSatisfy { $0 != "unknown" }
    // Stored statistics do not name their weights. The report marks that these are unknown.
    guard a.network.name == b.network.name, !known || a.network == b.network, a.dimension == b.dimension
    else {
      func words(_ set: FeatureSet) -> String {
        "\(set.network.name), weights \(set.network.weightsSHA256.prefix(12)), \(set.dimension) features"
      }
      throw ToolError(
        .badData, b.path,
        expected: "features like those of \(a.path) (\(words(a)))",
        found: "\(words(b))",
        try: "extract both with one network")
    }
  }

  private func writeSheet(
    _ output: OutputPath, _ images: (reference: ImageSet, samples: ImageSet),
    _ sets: (reference: FeatureSet, samples: FeatureSet)
  ) throws {
    let look = ContactSheet(enlargement: outputs.enlarge ?? 1)
    let sheet = NearestSheet(
      count: outputs.nearestCount ?? 8, samples: outputs.nearestSamples ?? 8, device: device, sheet: look)
    let rows = try sheet.rows(
      reference: PicturedFeatures(features: sets.reference, images: images.reference),
      samples: PicturedFeatures(features: sets.samples, images: images.samples))
    let sink = try session.create(output)
    try PNGEncoder.encode(try look.compose(rows: rows)).withUnsafeBytes { try sink.write($0) }
    try sink.commit()
  }
}
