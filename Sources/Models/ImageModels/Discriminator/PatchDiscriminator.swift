import Autograd
import NeuralNet
import StreamFormat
import TensorCore

/// The sizes of a PatchGAN discriminator.
public struct DiscriminatorConfiguration: Codable, Equatable, Sendable {
  /// Width of the first layer; the following ones have 2, 4 and at most 8 times as many channels.
  public var channels: Int
  /// Layers of stride 2; two layers of stride 1 follow.
  public var layers: Int

  /// VQGAN's and LlamaGen's unless sizes are given.
  public init(channels: Int = 64, layers: Int = 3) { (self.channels, self.layers) = (channels, layers) }

  /// An error text if the sizes do not fit images of a side, or nil.
  public func problem(imageSize: Int) -> String? {
    if !(1...1 << 12).contains(channels) { return "\(channels) channels; 1 to 4096 are possible" }
    if !(1...8).contains(layers) { return "\(layers) layers; 1 to 8 are possible" }
    if side(imageSize, after: layers) < 3 {
      return "images of \(imageSize) pixels are too small for \(layers) layers; they need \(3 << layers)"
    }
    return nil
  }

  /// Width after layer `index`, counted from 0.
  func width(_ index: Int) -> Int { channels * min(1 << index, 8) }

  /// Side of an image after some layers of stride 2.
  private func side(_ size: Int, after count: Int) -> Int { size >> count }

  /// What the parameters need, in bytes.
  public var parameterBytes: Double {
    (0...layers + 1).reduce(0) { sum, index in
      let inputs = index == 0 ? 3 : width(index - 1)
      let outputs = index == layers + 1 ? 1 : width(index)
      let isNormalized = (1...layers).contains(index)
      return sum + 4 * Double(outputs) * (16 * Double(inputs) + (isNormalized ? 2 : 1))
    }
  }

  /// What the backward pass of one image needs, in bytes: the outputs of the convolutions.
  public func trainingBytesPerImage(size: Int) -> Double {
    (0..<layers).reduce(0) { sum, index in
      let side = Double(side(size, after: index + 1))
      return sum + 4 * side * side * Double(width(index))
    }
  }
}

/// The PatchGAN discriminator of VQGAN and LlamaGen: from images [B, H, W, 3] to a logit for each of many overlapping
/// patches, above 0 for real ones. 4 x 4 kernels, batch norm between all but the first and the last layer, leaky ReLU.
public final class PatchDiscriminator: Discriminator {
  /// The sizes.
  public let configuration: DiscriminatorConfiguration
  /// All parameters under their published names, `main.0.weight` and so on.
  public let store: ParameterStore
  /// Running mean and variance of each batch norm, for evaluation.
  public private(set) var running: [BatchStatistics]
  private let layers: [Layer]

  private struct Layer {
    var name: String
    var weight: Variable
    /// Zeros in front of a norm.
    var bias: Variable
    var geometry: ConvolutionGeometry
    var norm: (weight: Variable, bias: Variable)?
  }

  private static let slope: Float = 0.2
  private static let epsilon = 1e-5

  /// Declares the parameters as the published code starts them.
  public init(_ configuration: DiscriminatorConfiguration, device: Device, seed: UInt64?) {
    self.configuration = configuration
    let store = ParameterStore(device: device, seed: seed, purpose: .discriminator)
    var (layers, inputs): ([Layer], Int) = ([], 3)
    for index in 0...configuration.layers + 1 {
      let (isFirst, isLast) = (index == 0, index == configuration.layers + 1)
      // Activations and norms have numbers too.
      let number = isFirst ? 0 : 3 * index - 1
      let outputs = isLast ? 1 : configuration.width(index)
      layers.append(
        Self.layer(
          store, number, inputs, outputs, stride: index < configuration.layers ? 2 : 1,
          isNormalized: !isFirst && !isLast))
      inputs = outputs
    }
    (self.store, self.layers) = (store, layers)
    running = layers.compactMap { layer in
      layer.norm.map { norm in
        let count = norm.weight.value.count
        return BatchStatistics(
          mean: [Float](repeating: 0, count: count), variance: [Float](repeating: 1, count: count))
      }
    }
  }

  private static func layer(
    _ store: ParameterStore, _ number: Int, _ inputs: Int, _ outputs: Int, stride: Int, isNormalized: Bool
  ) -> Layer {
    let geometry = ConvolutionGeometry(
      inChannels: inputs, outChannels: outputs, kernel: 4, stride: stride, padBefore: 1, padAfter: 1)
    let weight = store.declare("main.\(number).weight", geometry.weightShape, .normal(deviation: 0.02))
    let bias =
      isNormalized
      ? Variable(store.device.zeros([outputs]))
      : store.declare("main.\(number).bias", [outputs], .fanIn(inputs * 16))
    var layer = Layer(
      name: "main.\(number)", weight: weight, bias: bias, geometry: geometry, norm: nil)
    guard isNormalized else { return layer }
    layer.name = "main.\(number + 1)"
    layer.norm = (
      store.declare(layer.name + ".weight", [outputs], .normal(mean: 1, deviation: 0.02)),
      store.declare(layer.name + ".bias", [outputs], .zeros)
    )
    return layer
  }

  /// Logits [B, h, w, 1] of images [B, H, W, 3] in training: each batch is normalised by its own statistics, and moves
  /// the running ones by a tenth, whichever network is trained.
  public func logits(_ tape: Tape, _ images: Variable, _ mode: DiscriminatorMode) -> Variable {
    var place = 0
    return apply(tape, images, mode.parameter) { x, norm in
      let (y, statistics) = tape.batchNorm(
        x, weight: mode.parameter(norm.weight), bias: mode.parameter(norm.bias), epsilon: Self.epsilon)
      moveRunning(place, to: statistics)
      place += 1
      return y
    }
  }

  public func logits(_ tape: Tape, _ seen: SeenImages, _ mode: DiscriminatorMode) -> [Variable] {
    [logits(tape, seen.images, mode)]
  }

  /// Logits [B, h, w, 1] of images [B, H, W, 3] by the running statistics.
  public func evaluationLogits(_ images: Tensor) -> Tensor {
    let tape = Tape(device: store.device, isRecording: false)
    var place = 0
    return apply(tape, Variable(images), { $0 }) { x, norm in
      defer { place += 1 }
      return tape.batchNorm(
        x, weight: norm.weight, bias: norm.bias, epsilon: Self.epsilon, by: running[place])
    }.value
  }

  private func apply(
    _ tape: Tape, _ images: Variable, _ parameter: (Variable) -> Variable,
    normalize: (Variable, (weight: Variable, bias: Variable)) -> Variable
  ) -> Variable {
    var x = images
    for (index, layer) in layers.enumerated() {
      x = tape.convolution(x, weight: parameter(layer.weight), bias: parameter(layer.bias), layer.geometry)
      if let norm = layer.norm { x = normalize(x, norm) }
      if index < layers.count - 1 { x = tape.leakyReLU(x, slope: Self.slope) }
    }
    return x
  }

  private func moveRunning(_ place: Int, to statistics: BatchStatistics) {
    func moved(_ old: [Float], _ new: [Float]) -> [Float] { zip(old, new).map { 0.9 * $0 + 0.1 * $1 } }
    running[place] = BatchStatistics(
      mean: moved(running[place].mean, statistics.mean),
      variance: moved(running[place].variance, statistics.variance))
  }
}

// MARK: Checkpoints

extension PatchDiscriminator {
  private var normNames: [String] { layers.filter { $0.norm != nil }.map(\.name) }

  /// The running statistics as tensors of a file.
  public func storedStatistics(prefix: String) -> [StoredTensor] {
    zip(normNames, running).flatMap { name, statistics in
      [("running_mean", statistics.mean), ("running_var", statistics.variance)].map { part, values in
        StoredTensor(name: "\(prefix)\(name).\(part)", shape: [values.count], floats: values)
      }
    }
  }

  /// Takes over the running statistics of a file.
  /// - Throws: `FormatError`.
  public func loadStatistics(_ record: Record, prefix: String) throws {
    for (place, name) in normNames.enumerated() {
      func values(_ part: String) throws -> [Float] {
        let tensor = store.device.empty([running[place].mean.count])
        try record.tensor("\(prefix)\(name).\(part)", shape: tensor.shape).copyFiniteFloats(
          into: tensor.buffer)
        return tensor.toArray()
      }
      running[place] = BatchStatistics(mean: try values("running_mean"), variance: try values("running_var"))
    }
  }
}
