import Autograd
import Codebooks
import Communication
import Datasets
import Glibc
import ImageModels
import Metrics
import NeuralNet
import StreamFormat
import TensorCore
import VAR
import VQGAN

/// Training a VQ autoencoder on images.
public final class TokenizerTask: TrainingTask {
  /// The options of the task.
  public struct Options: Sendable, Equatable, Codable {
    /// Images of an optimiser step.
    public var batchSize: Int
    /// Distance of reconstructions.
    public var reconstruction: ReconstructionLoss
    /// beta, the weight of the commitment loss.
    public var commitment: Float
    /// gamma, the weight of the codebook loss.
    public var codebookWeight: Float
    /// The entropy terms of the quantiser; nil for none.
    public var entropy: EntropyTerm?
    /// Steps at the start without a quantiser; then the codebook starts from k-means over latents.
    public var warmupSteps: Int
    /// A code whose use between two searches is below this share of the mean use is moved to a latent.
    public var deadCodeThreshold: Double
    /// Steps between two searches for dead codes; 0 means no search.
    public var deadCodeInterval: Int
    /// Step after which no code is moved any more.
    public var deadCodeEnd: Int
    /// Seed of order, views and codes.
    public var seed: UInt64
    /// The weights of the losses of images, and the networks that they need; nil for the reconstruction loss alone.
    public var imageLosses: ImageLosses.Options?

    public init(
      batchSize: Int, reconstruction: ReconstructionLoss, commitment: Float, codebookWeight: Float = 1,
      entropy: EntropyTerm? = nil, warmupSteps: Int,
      deadCodeThreshold: Double, deadCodeInterval: Int, deadCodeEnd: Int, seed: UInt64,
      imageLosses: ImageLosses.Options? = nil
    ) {
      (self.batchSize, self.commitment, self.seed) = (batchSize, commitment, seed)
      (self.reconstruction, self.codebookWeight, self.entropy) = (reconstruction, codebookWeight, entropy)
      (self.warmupSteps, self.deadCodeThreshold) = (warmupSteps, deadCodeThreshold)
      (self.deadCodeInterval, self.deadCodeEnd) = (deadCodeInterval, deadCodeEnd)
      self.imageLosses = imageLosses
    }
  }

  private let model: Tokenizer
  private let images: ImageDataset
  private let split: HeldOutSplit
  /// Everything that was set.
  public let settings: any ExperimentSettings
  private let options: Options
  private let imageLosses: ImageLosses?
  private var order: DataOrder
  /// Uses of each code since the last search for dead codes.
  private var uses: [Int]
  /// Use of the codes by scale, of a tokenizer that has scales.
  private var scaleUsage: ScaleUsage?
  /// The codes of this step's leaves on this rank, and the vectors [n, d] that they stand for.
  private var batchCodes: [UInt32] = []
  private var batchVectors: [Tensor] = []
  /// The vectors [n, d] of a whole batch, after which dead codes are searched for: where they are placed.
  private var searched: [Float] = []

  /// Training on images, of which those at `usable` can be used.
  /// - Parameter imageLosses: those of the settings.
  /// - Throws: `DatasetError.tooFewItems` when nothing is left to train on.
  public init(
    _ model: Tokenizer, images: ImageDataset, usable: [Int], settings: TokenizerSettings,
    imageLosses: ImageLosses? = nil
  ) throws {
    precondition(
      imageLosses?.options == settings.task.imageLosses, "TokenizerTask: losses of other settings")
    precondition(
      model.configuration == settings.model && model.store.device.precision == settings.precision
        && images.reading == settings.images.reading, "TokenizerTask: a model or images of other settings")
    (self.model, self.images) = (model, images)
    (self.settings, options, self.imageLosses) = (settings, settings.task, imageLosses)
    split = try settings.heldOut.split(
      listed: images.listing.entries.count, present: usable
    ).mapped { usable[$0] }
    order = DataOrder(items: split.training, seed: options.seed)
    uses = [Int](repeating: 0, count: model.configuration.codebookSize)
    scaleUsage = model.configuration.multiScale.map {
      ScaleUsage(scaleCount: $0.scales.count, codes: model.configuration.codebookSize)
    }
  }

  /// How many images are trained on, and how many are scored only.
  public var counts: (training: Int, heldOut: Int) { (split.training.count, split.heldOut.count) }

  /// Images of an optimiser step.
  public var imagesPerStep: Int { options.batchSize }

  /// Images that are trained on.
  public var trainingCount: Int { split.training.count }

  /// The tokenizer's parameters.
  public var store: ParameterStore { model.store }

  /// The discriminator's, where the adversarial loss is on.
  public var discriminator: ParameterStore? { imageLosses?.discriminator?.store }
  public var discriminatorLearningRate: Double? { imageLosses?.options.adversarial?.learningRate }

  /// Places the codes after the warm-up.
  public func startStep(_ step: Int) throws {
    (batchCodes, batchVectors) = ([], [])
    if step == options.warmupSteps && step > 0 && model.codebook.requiresGradient {
      try startCodebook(step: step)
    }
  }

  /// One leaf. During the warm-up the decoder sees the latents themselves.
  public func accumulateGradients(step: Int, leaf: Int, watch: GradientWatch?) throws -> [String: Double] {
    let device = store.device
    let count = options.batchSize / leafCount
    let places = order.items(
      first: step * options.batchSize + leaf * count, count: count, viewCount: images.plan.names.count)
    let batch = Variable(try images.batch(places, on: device))
    let kind = options.reconstruction
    if let imageLosses { return accumulate(imageLosses, batch, step: step, watch) }
    let tape = Tape(device: device)
    if step < options.warmupSteps {
      let error = model.unquantizedPass(tape, images: batch, reconstruction: kind)
      tape.backward(from: error, scale: 1 / Float(leafCount), watch: watch)
      return ["loss": Double(error.value.scalar), "reconstruction_loss": Double(error.value.scalar)]
    }
    let pass = model.trainingPass(
      tape, images: batch, reconstruction: kind, commitment: options.commitment,
      codebook: options.codebookWeight, entropy: options.entropy)
    tape.backward(from: pass.loss, scale: 1 / Float(leafCount), watch: watch)
    return [
      "loss": Double(pass.loss.value.scalar),
      "reconstruction_loss": Double(pass.reconstructionLoss.value.scalar),
    ].merging(keep(pass.quantized, step)) { own, _ in own }
  }

  /// The same with further losses of the images: their gradient by the reconstructions comes first, then the
  /// autoencoder's, then the discriminator's.
  private func accumulate(
    _ losses: ImageLosses, _ batch: Variable, step: Int, _ watch: GradientWatch?
  ) -> [String: Double] {
    let tape = Tape(device: store.device)
    let pass = model.reconstruct(
      tape, images: batch, isQuantized: step >= options.warmupSteps, entropy: options.entropy)
    let reconstructions = pass.images.value
    let result = losses.generator(
      reconstructions, of: batch.value, pixels: options.reconstruction, step: step + 1
    ) { [model] in model.lastLayerGradient($0, features: pass.features) }
    // What has this gradient by the reconstructions; its value means nothing.
    var terms = [(tape.dot(pass.images, result.gradient), Float(1))]
    var values = result.values
    var loss = result.loss
    if let quantized = pass.quantized {
      for (term, weight) in quantized.losses(
        commitment: options.commitment, codebook: options.codebookWeight, entropy: options.entropy)
      {
        terms.append((term, weight))
        loss += Double(weight * term.value.scalar)
      }
      values.merge(keep(quantized, step)) { own, _ in own }
    }
    tape.backward(from: tape.weightedSum(terms), scale: 1 / Float(leafCount), watch: watch)
    let opposing = losses.trainDiscriminator(
      reconstructions, of: batch.value, after: result, step: step + 1)
    values.merge(opposing) { own, _ in own }
    values["loss"] = loss
    return values
  }

  private var leafCount: Int { settings.training.leafCount }

  /// Keeps the codes of a leaf until all leaves are there; gives the quantiser's values for the log.
  private func keep(_ quantized: QuantizedLatents, _ step: Int) -> [String: Double] {
    batchCodes += quantized.indices.map { UInt32($0) }
    if isSearch(step) { batchVectors.append(quantized.searched) }
    var values: [String: Double] = [:]
    if let loss = quantized.codebookLoss {
      values["codebook_loss"] = Double(loss.value.scalar)
    } else if let loss = quantized.commitmentLoss {
      // With a codebook loss its value is the same.
      values["commitment_loss"] = Double(loss.value.scalar)
    }
    values["sample_entropy"] = quantized.entropy?.sampleEntropy
    values["code_entropy"] = quantized.entropy?.codeEntropy
    return values
  }

  /// Counts the codes of the batch.
  public func joinLeaves(step: Int, over communicator: any Communicator) -> [String: Double] {
    guard step >= options.warmupSteps else { return [:] }
    let codes = communicator.gather(numbers: batchCodes).map { Int($0) }
    for code in codes { uses[code] += 1 }
    if isSearch(step) { searched = communicator.gather(numbers: batchVectors.flatMap { $0.toArray() }) }
    batchVectors = []
    return ["batch_usage": Double(Set(codes).count) / Double(uses.count)]
      .merging(countScales(codes)) { own, _ in own }
  }

  /// Share of the codes that each scale uses, `usage_scale_1` for the smallest; nothing without scales.
  private func countScales(_ codes: [Int]) -> [String: Double] {
    guard let scales = model.configuration.multiScale else { return [:] }
    scaleUsage?.add(codes, offsets: scales.offsets)
    let side = images.size / model.configuration.downsampling
    let shares = scaleUsage?.shares(latents: options.batchSize * side * side) ?? []
    return Dictionary(
      uniqueKeysWithValues: shares.enumerated().map { ("usage_scale_\($0.offset + 1)", $0.element) })
  }

  /// Whether dead codes are searched for after a step.
  private func isSearch(_ step: Int) -> Bool {
    options.deadCodeInterval > 0 && step >= options.warmupSteps && model.codebook.requiresGradient
      && (step + 1 - options.warmupSteps) % options.deadCodeInterval == 0
  }

  /// Searches for dead codes every few steps.
  public func finishStep(_ step: Int, optimizer: Optimizer) {
    guard isSearch(step) else { return }
    if step < options.deadCodeEnd { reviveDeadCodes(step: step, optimizer) }
    uses = [Int](repeating: 0, count: uses.count)
  }

  /// Mean PSNR of held-out reconstructions, centre view, in dB of 8-bit images.
  public func evaluate(over communicator: any Communicator) throws -> [String: Double] {
    guard !split.heldOut.isEmpty else { return [:] }
    let device = store.device
    let share = communicator.share(of: split.heldOut.count, batchSize: options.batchSize)
    var ratios: [Double] = []
    for first in stride(from: share.lowerBound, to: share.upperBound, by: options.batchSize) {
      let items = split.heldOut[first..<min(first + options.batchSize, share.upperBound)]
      let batch = try images.batch(items.map { ($0, images.plan.centerView) }, on: device)
      let grid = (
        batch.shape[1] / model.configuration.downsampling, batch.shape[2] / model.configuration.downsampling
      )
      let decoded = try model.images(of: model.tokens(of: batch), rows: grid.0, columns: grid.1)
      for (original, copy) in zip(device.images(batch), device.images(decoded)) {
        ratios.append(peakSignalToNoiseRatio(meanSquaredError: try original.meanSquaredError(to: copy)))
      }
    }
    // Added in the order of the images, whoever has scored them.
    let total = communicator.gather(numbers: ratios).reduce(0, +)
    return ["held_out_psnr": total / Double(split.heldOut.count)]
  }

  /// Uses since the last search, without which a resumed run would move other codes, and what the losses keep.
  public var state: [StoredTensor] {
    let counts =
      [StoredTensor(name: "task.uses", shape: [uses.count], uint64s: uses.map(UInt64.init))]
      + (imageLosses?.state ?? [])
    guard let scaleUsage else { return counts }
    return counts + [
      StoredTensor(name: "task.scale_hits", shape: [scaleUsage.hits.count], floats: scaleUsage.hits),
      StoredTensor(name: "task.scale_visits", shape: [1], uint64s: [UInt64(scaleUsage.visits)]),
    ]
  }

  /// Restores the uses and the losses.
  public func restore(_ record: Record) throws {
    try imageLosses?.restore(record)
    uses = try record.tensor("task.uses", shape: [uses.count]).integers()
    guard let scales = model.configuration.multiScale, let scaleUsage else { return }
    self.scaleUsage = ScaleUsage(
      hits: try record.tensor("task.scale_hits", shape: [scaleUsage.hits.count]).floats(),
      visits: try record.tensor("task.scale_visits", shape: [1]).integers()[0],
      scaleCount: scales.scales.count)
  }
}

// MARK: The codebook's start and its dead codes

extension TokenizerTask {
  /// Places the codes on the centroids of what some batches are to be quantised to.
  private func startCodebook(step: Int) throws {
    let device = store.device
    let (k, d) = (model.codebook.shape[0], model.codebook.shape[1])
    var vectors: [Float] = []
    var place = step * options.batchSize
    // Sixteen latents per code are enough for k-means, and the training items may be fewer.
    while vectors.count < 16 * k * d && place < step * options.batchSize + split.training.count {
      let places = order.items(first: place, count: options.batchSize, viewCount: images.plan.names.count)
      vectors += model.vectorsToQuantize(of: try images.batch(places, on: device)).toArray()
      place += options.batchSize
    }
    let clustering = KMeans(count: k, maximumIterations: 10, seed: options.seed)
    let result = try clustering.run(
      CodeVectors(count: vectors.count / d, dimension: d, elements: vectors), on: device)
    model.codebook.value.copyElements(from: result.centroids.tensor(on: device))
  }

  /// Moves codes that are hardly used onto vectors of the last batch, and forgets their moments.
  private func reviveDeadCodes(step: Int, _ optimizer: Optimizer) {
    if searched.isEmpty { return }
    let d = model.codebook.shape[1]
    let mean = Double(uses.reduce(0, +)) / Double(uses.count)
    let dead = uses.indices.filter { Double(uses[$0]) < options.deadCodeThreshold * mean }
    var random = CounterRandom(seed: options.seed, purpose: .deadCodes, index: UInt64(step))
    let place = store.parameters.firstIndex { $0.name == Tokenizer.codebookName }!
    for code in dead {
      let row = random.integer(below: searched.count / d) * d
      searched.withUnsafeBufferPointer {
        (model.codebook.value.pointer + code * d).update(from: $0.baseAddress! + row, count: d)
      }
      for moment in [optimizer.moments[place].first, optimizer.moments[place].second] {
        (moment.pointer + code * d).update(repeating: 0, count: d)
      }
    }
  }
}
