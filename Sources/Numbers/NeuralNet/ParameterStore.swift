import Autograd
import TensorCore

/// A trained tensor and its name in model files.
public struct Parameter {
  /// LlamaGen's name, so that released checkpoints load unchanged.
  public let name: String
  /// The value and, after a backward pass, the gradient.
  public let variable: Variable

  /// Weight decay is for matrices and kernels, not for norms and biases, unless the model says otherwise.
  public let decays: Bool

  /// Number of matrices of hidden layers that the parameter consists of, one below the other; 0 for what is none: embeddings,
  /// output layers, layers that turn a class into scales and shifts, kernels that read or write pixels, vectors.
  public let hiddenMatrices: Int

  /// Whether the parameter is of a hidden layer's matrices.
  public var isHiddenMatrix: Bool { hiddenMatrices > 0 }

  /// The shape of each hidden matrix. A kernel [outputs, inputs, height, width] is one of as many rows as outputs.
  public var matrixShape: (rows: Int, columns: Int) {
    let rows = variable.shape[0] / hiddenMatrices
    return (rows, variable.value.count / hiddenMatrices / rows)
  }
}

/// How a parameter starts.
public enum Initializer: Sendable {
  case zeros
  case ones
  case constant(Double)
  /// Normal.
  case normal(mean: Double = 0, deviation: Double)
  /// Uniform in -bound ..< bound.
  case uniform(bound: Double)

  /// What PyTorch gives a linear layer or convolution, weight and bias alike.
  public static func fanIn(_ inputs: Int) -> Initializer { .uniform(bound: 1 / Double(inputs).squareRoot()) }

  func fill(_ tensor: Tensor, _ random: CounterRandom) {
    var random = random
    for i in 0..<tensor.count {
      switch self {
      case .zeros: tensor.pointer[i] = 0
      case .ones: tensor.pointer[i] = 1
      case .constant(let value): tensor.pointer[i] = Float(value)
      case .normal(let mean, let deviation): tensor.pointer[i] = Float(mean + random.normal() * deviation)
      case .uniform(let bound): tensor.pointer[i] = Float((2 * random.uniform() - 1) * bound)
      }
    }
  }
}

/// The parameters of a model in the order in which it declares them.
public final class ParameterStore {
  /// Where the values live.
  public let device: Device
  private let seed: UInt64?
  private let purpose: RandomPurpose
  /// All parameters, in declaration order; optimisers and files follow it.
  public private(set) var parameters: [Parameter] = []

  /// - Parameters:
  ///   - seed: of the parameters' random start; nil leaves them unset, for a file to fill.
  ///   - purpose: tells the start of one network from that of another one with the same seed.
  public init(device: Device, seed: UInt64?, purpose: RandomPurpose = .initialization) {
    (self.device, self.seed, self.purpose) = (device, seed, purpose)
  }

  /// A store of the same parameters, to which others can be added; `other` does not see them.
  public init(extending other: ParameterStore) {
    (device, seed, purpose, parameters) = (other.device, other.seed, other.purpose, other.parameters)
  }

  /// Whether the parameters have a random start.
  public var isSeeded: Bool { seed != nil }

  /// Declares a parameter. Its random start depends on the seed and on its place in the order.
  /// - Parameters:
  ///   - decays: whether weight decay acts on it; nil leaves that to its shape.
  ///   - hiddenMatrices: number of matrices of hidden layers that it consists of, one below the other.
  public func declare(
    _ name: String, _ shape: [Int], _ initializer: Initializer, decays: Bool? = nil, hiddenMatrices: Int = 0
  ) -> Variable {
    precondition(!parameters.contains { $0.name == name }, "ParameterStore: \(name) declared twice")
    precondition(
      hiddenMatrices == 0 || shape.count >= 2 && shape[0] % hiddenMatrices == 0,
      "ParameterStore: \(name) of shape \(shape) as \(hiddenMatrices) matrices")
    let value = device.empty(shape)
    if let seed {
      initializer.fill(
        value, CounterRandom(seed: seed, purpose: purpose, index: UInt64(parameters.count)))
    }
    let variable = Variable(value, requiresGradient: true)
    parameters.append(
      Parameter(
        name: name, variable: variable, decays: decays ?? (shape.count >= 2), hiddenMatrices: hiddenMatrices))
    return variable
  }

  /// Number of scalars, trained or frozen.
  public var scalarCount: Int { parameters.reduce(0) { $0 + $1.variable.value.count } }

  /// Forgets all gradients.
  public func clearGradients() { parameters.forEach { $0.variable.clearGradient() } }
}
