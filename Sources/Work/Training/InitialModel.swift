import NeuralNet
import StreamFormat

/// What a training starts from in place of random numbers, as its checkpoint records it.
public struct InitialModel: Codable, Equatable, Sendable {
  /// SHA-256 of the names and values of all parameters before the first step.
  public var parameters: String
  /// Names of the parameters that stay as they are.
  public var frozen: [String]

  /// The parameters of a model as they are now.
  public init(_ store: ParameterStore) {
    var hasher = SHA256Hasher()
    for parameter in store.parameters {
      Array((parameter.name + "\0").utf8).withUnsafeBytes { hasher.update($0) }
      hasher.update(UnsafeRawBufferPointer(parameter.variable.value.buffer))
    }
    parameters = hasher.finish()
    frozen = store.parameters.filter { !$0.variable.requiresGradient }.map(\.name)
  }
}
