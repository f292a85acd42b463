import StreamFormat
import TensorCore

/// A record of kind `network`, read by layer. Batch normalisation is folded into the convolution before it.
struct NetworkWeights {
  /// Which tensors were asked for.
  final class UsedNames {
    private var names: Set<String> = []
    func insert(_ name: String) { names.insert(name) }
    func contains(_ name: String) -> Bool { names.contains(name) }
  }

  let sha256: String
  private let record: Record
  private let tensors: [String: StoredTensor]
  private let used: UsedNames

  init(_ record: Record, network: String, used: UsedNames = UsedNames()) throws {
    try record.require(kind: .network)
    let configuration = try record.jsonMetadata("config", as: NetworkConfiguration.self)
    guard configuration.name == network else {
      throw FormatError(
        .wrongKind, at: record.origin, expected: "the weights of \(network)", found: configuration.name,
        hint: "give this network's file, or name the network that the file is for")
    }
    (self.record, self.used) = (record, used)
    tensors = Dictionary(record.tensors.map { ($0.name, $0) }) { first, _ in first }
    sha256 = record.weightsSHA256
  }

  /// A convolution with a bias of its own.
  func convolution(
    _ name: String, _ geometry: ConvolutionGeometry, _ activation: ConvolutionWeights.Activation,
    _ device: Device
  ) throws -> ConvolutionWeights {
    ConvolutionWeights(
      geometry, weight: try tensor(name + ".weight", geometry.weightShape, device),
      bias: try tensor(name + ".bias", [geometry.outChannels], device), activation: activation)
  }

  /// A convolution without a bias, and the batch normalisation after it.
  func convolution(
    _ name: String, normalizedBy norm: String, epsilon: Double, _ geometry: ConvolutionGeometry,
    _ activation: ConvolutionWeights.Activation, _ device: Device
  ) throws -> ConvolutionWeights {
    let weight = try tensor(name + ".weight", geometry.weightShape, device)
    let bias = try fold(norm, epsilon: epsilon, into: weight, device)
    return ConvolutionWeights(geometry, weight: weight, bias: bias, activation: activation)
  }

  /// Multiplies the rows of `weight` [channels, ...] by the scale of a batch normalisation; returns its shift.
  func fold(_ norm: String, epsilon: Double, into weight: Tensor, _ device: Device) throws -> Tensor {
    let channels = weight.shape[0]
    func values(_ part: String) throws -> [Float] {
      try tensor(norm + part, [channels], device).toArray()
    }
    let (scale, shift) = (try values(".weight"), try values(".bias"))
    let (mean, variance) = (try values(".running_mean"), try values(".running_var"))
    let bias = device.empty([channels])
    let row = weight.count / channels
    for c in 0..<channels {
      let factor = Double(scale[c]) / (Double(variance[c]) + epsilon).squareRoot()
      guard factor.isFinite else {
        throw FormatError(
          .valueOutOfRange, at: record.origin, expected: "\(norm).running_var[\(c)] not negative",
          found: "\(variance[c])", hint: "import the weights again")
      }
      for i in c * row..<(c + 1) * row { weight.pointer[i] = Float(Double(weight.pointer[i]) * factor) }
      bias.pointer[c] = Float(Double(shift[c]) - Double(mean[c]) * factor)
    }
    return bias
  }

  private func stored(_ name: String, _ shape: [Int]) throws -> StoredTensor {
    used.insert(name)
    // The record searches names one by one, and there are hundreds. It is used only for its errors.
    guard let tensor = tensors[name], tensor.shape == shape else {
      return try record.tensor(name, shape: shape)
    }
    return tensor
  }

  /// A tensor of a given shape.
  func tensor(_ name: String, _ shape: [Int], _ device: Device) throws -> Tensor {
    let stored = try stored(name, shape)
    let tensor = device.empty(shape)
    try stored.copyFiniteFloats(into: tensor.buffer)
    return tensor
  }
}

/// The `config` of a file of kind `network`.
public struct NetworkConfiguration: Codable, Equatable, Sendable {
  /// The network that the weights are for.
  public var name: String

  /// A configuration of a network.
  public init(name: String) { self.name = name }
}
