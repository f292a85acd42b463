import TensorCore

/// A tensor in a computation, with the gradient of the loss by it once the tape has run backward.
public final class Variable {
  /// The value. Optimisers overwrite the elements of a parameter's value in place.
  public let value: Tensor
  /// Whether gradients flow into this variable.
  public private(set) var requiresGradient: Bool
  /// d loss / d value, same shape; nil before the backward pass and where none arrived.
  public internal(set) var gradient: Tensor?

  /// - Parameter requiresGradient: true for parameters, false for data.
  public init(_ value: Tensor, requiresGradient: Bool = false) {
    self.value = value
    self.requiresGradient = requiresGradient
  }

  /// The sizes of the value.
  public var shape: [Int] { value.shape }

  /// Keeps a parameter as it is: no gradient flows into it any more, and optimisers leave it alone.
  public func freeze() {
    requiresGradient = false
    gradient = nil
  }

  /// Forgets the gradient and gives its memory back.
  public func clearGradient() { gradient = nil }

  /// The same value, cut off from the graph: the "stop gradient" of the papers.
  public func detached() -> Variable { Variable(value) }
}
