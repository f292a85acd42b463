import Communication
import Datasets
import Foundation
import ImageModels
import Images
import NeuralNet
import STAR
import StreamFormat
import TensorCore
import TestSupport
@testable import Training
import VQGAN

extension TrainingOptions {
  /// For tests that run no loop.
  static var none: TrainingOptions {
    TrainingOptions(
      steps: 1, schedule: LearningRateSchedule(shape: .constant, peak: 1, warmupSteps: 0, totalSteps: 1),
      optimizer: Optimizer.Options(), averageDecay: 0, evaluateEvery: 0, checkpointEvery: 0)
  }
}

/// Something small to train.
protocol TinyTask: Sendable {
  func make(_ device: Device, _ training: TrainingOptions) throws -> any TrainingTask
  var learningRate: Double { get }
  var rule: Optimizer.Rule? { get }
}

/// A transformer on 12 images of 6 tokens, two views; with self-guidance where it is given.
struct TinyTransformer: TinyTask {
  var items = 12
  var batchSize = 5
  var dropout: Float = 0.1
  var heldOut = 0.25
  var learningRate = 0.01
  var accumulation = 1
  var guidance: SelfGuidance.Options?
  var rule: Optimizer.Rule?

  func make(_ device: Device, _ training: TrainingOptions) throws -> any TrainingTask {
    let data = data
    return try TransformerTask(
      model(device), data: data,
      settings: TransformerSettings(
        model: Self.sizes, precision: device.precision, data: .init(tokens: data),
        heldOut: HeldOutShare(fraction: heldOut, seed: 3),
        task: .init(
          batchSize: batchSize, accumulation: accumulation, dropout: dropout, classDropout: dropout,
          labelSmoothing: 0, clusterSize: 4, seed: 7),
        selfGuidance: guidance, training: training))
  }

  static let sizes = TransformerConfiguration(
    layers: 2, heads: 2, width: 16, vocabularySize: 20, gridRows: 2, gridColumns: 3, classCount: 3)

  func model(_ device: Device) -> Transformer {
    Transformer(Self.sizes, device: device, seed: 1)
  }

  var data: TokenDataset {
    let header = TokenHeader(
      vocabSize: 20, rows: 2, columns: 3, codebookSHA256: "00", classCount: 3, viewNames: ["a", "b"])
    var random = CounterRandom(seed: 2, purpose: .test)
    let tokens = (0..<items * 12).map { _ in UInt32(random.integer(below: 20)) }
    return TokenDataset(
      TokenBatch(header: header, tokens: tokens, labels: (0..<items).map { UInt32($0 % 3) }))
  }
}

/// A tokenizer on tiny PNG files in a folder of their own, with a warm-up, a codebook start and dead codes.
final class TinyTokenizer: TinyTask {
  let folder: String
  let learningRate = 0.003
  let heldOut: HeldOutShare
  let background: RGBColor
  /// Sides of its grids, where it has more than one.
  let scales: [Int]?
  /// Losses of images, where there are more than the reconstruction loss.
  let losses: ImageLosses.Options?
  let batchSize: Int
  var rule: Optimizer.Rule? { nil }
  /// A fixed grid of 16 codes of 4 dimensions, where the codes are not trained.
  let quantizer: GridQuantizerConfiguration?
  /// The entropy terms, where there are some.
  let entropy: EntropyTerm?

  init(
    heldOut: HeldOutShare = .init(fraction: 0.25, seed: 3), background: RGBColor = .white,
    noise: UInt64 = 300, scales: [Int]? = nil, losses: ImageLosses.Options? = nil,
    batchSize: Int = 3, quantizer: GridQuantizerConfiguration? = nil, entropy: EntropyTerm? = nil
  ) throws {
    (self.batchSize, self.quantizer, self.entropy) = (batchSize, quantizer, entropy)
    (self.heldOut, self.background, self.scales, self.losses) = (heldOut, background, scales, losses)
    folder = FileManager.default.temporaryDirectory.path + "/tessera-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    for i in 0..<8 {
      let noise = normals(10 * 8 * 3, noise + UInt64(i), deviation: 40, mean: 40 + 20 * Double(i))
      let image = RGBImage(width: 10, height: 8, pixels: noise.map { UInt8(max(0, min(255, $0))) })
      try Data(try PNGEncoder.encode(image)).write(to: URL(fileURLWithPath: path(i)))
    }
  }

  deinit { try? FileManager.default.removeItem(atPath: folder) }

  func path(_ i: Int) -> String { folder + "/\(i).png" }

  func make(_ device: Device, _ training: TrainingOptions) throws -> any TrainingTask {
    let sizes = TokenizerConfiguration(
      channels: 8, multipliers: [1, 1], residualBlocks: 1, zChannels: 8, codebookSize: 16, codeDimension: 4,
      normalizesCodes: scales == nil, groups: 4, imageSize: 8,
      multiScale: scales.map { MultiScaleConfiguration(scales: $0, phiCount: 2) }, quantizer: quantizer)
    let listing = ImageListing(classNames: ["x"], entries: (0..<8).map { .init(path: path($0), label: 0) })
    let images = ImageDataset(
      listing, ImageReading(size: 8, views: .flip, decoding: DecodingOptions(background: background)))
    return try TokenizerTask(
      Tokenizer(sizes, device: device, seed: 1), images: images, usable: Array(0..<8),
      settings: TokenizerSettings(
        model: sizes, precision: device.precision,
        images: .init(content: try images.sha256(of: Array(0..<8), on: device), reading: images.reading),
        heldOut: heldOut,
        task: .init(
          batchSize: batchSize, reconstruction: .l2, commitment: 0.25, entropy: entropy,
          warmupSteps: quantizer == nil ? 3 : 0, deadCodeThreshold: 0.5,
          deadCodeInterval: 2, deadCodeEnd: 20, seed: 7, imageLosses: losses), training: training),
      imageLosses: losses.map { ImageLosses($0, perceptual: nil, device: device, seed: 7) })
  }
}

/// Lets the events of a run find it without keeping it.
private final class Relay { weak var run: Run? }

/// A run and what it reported.
final class Run {
  let task: any TrainingTask
  let loop: TrainingLoop
  /// Keeps the task's files alive.
  private let tiny: any TinyTask
  private(set) var checkpoints: [Record] = []
  private(set) var log: [Int: [String: Double]] = [:]
  /// The values of each model that was saved.
  private(set) var models: [Int: [[Float]]] = [:]
  var interruptAfter = Int.max
  private var asked = 0
  var onStep: (Int) -> Void = { _ in }

  init(
    _ tiny: some TinyTask, steps: Int, device: Device = Device(threadCount: 2), averageDecay: Float = 0.9,
    averageWarmup: Int? = nil, checkpointEvery: Int = 0, savedSteps: SavedSteps = SavedSteps(),
    leaves: Int? = nil, communicator: any Communicator = SingleProcess()
  ) throws {
    self.tiny = tiny
    let relay = Relay()
    var optimizer = Optimizer.Options()
    (optimizer.weightDecay, optimizer.rule) = (0.01, tiny.rule)
    task = try tiny.make(
      device,
      TrainingOptions(
        steps: steps, leaves: leaves,
        schedule: LearningRateSchedule(
          shape: .cosine, peak: tiny.learningRate, warmupSteps: 2, totalSteps: steps), optimizer: optimizer,
        averageDecay: averageDecay, averageWarmup: averageWarmup, evaluateEvery: 4,
        checkpointEvery: checkpointEvery))
    loop = TrainingLoop(
      task,
      events: TrainingEvents(
        saveCheckpoint: { relay.run?.checkpoints.append($0) }, savedSteps: savedSteps,
        saveModel: { relay.run?.models[$0] = $1.map { $0.toArray() } },
        log: { step, values in
          relay.run?.log[step, default: [:]].merge(values) { $1 }
          relay.run?.onStep(step)
        },
        isInterrupted: { relay.run?.isInterrupted() ?? false }), communicator: communicator)
    relay.run = self
  }

  private func isInterrupted() -> Bool {
    asked += 1
    return asked >= interruptAfter
  }

  var parameters: [[Float]] { task.store.parameters.map { $0.variable.value.toArray() } }

  var discriminator: [[Float]] {
    (task.discriminator?.parameters ?? []).map { $0.variable.value.toArray() }
  }
}
