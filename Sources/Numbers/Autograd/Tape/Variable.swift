import TensorCore

/// A tensor in a computation, with the gradient of the loss by it once the tape has run backward.
///
/// A backward pass that does not read the value keeps the slot alone, so that the memory of the value is free again as soon as
/// the forward pass has forgotten the variable.
public final class Variable {
  /// The value. Optimisers overwrite the elements of a parameter's value in place.
  public let value: Tensor
  /// Where the gradient arrives.
  public let slot: GradientSlot

  /// - Parameter requiresGradient: true for parameters, false for data.
  public init(_ value: Tensor, requiresGradient: Bool = false) {
    self.value = value
    slot = GradientSlot(shape: value.shape, requiresGradient: requiresGradient)
  }

  /// The sizes of the value.
  public var shape: [Int] { slot.shape }
  /// Whether gradients flow into this variable.
  public var requiresGradient: Bool { slot.requiresGradient }
  /// d loss / d value, same shape; nil before the backward pass and where none arrived.
  public var gradient: Tensor? { slot.gradient }

  /// Keeps a parameter as it is: no gradient flows into it any more, and optimisers leave it alone.
  public func freeze() {
    slot.requiresGradient = false
    slot.gradient = nil
  }

  /// Forgets the gradient and gives its memory back.
  public func clearGradient() { slot.gradient = nil }

  /// The same value, cut off from the graph: the "stop gradient" of the papers.
  public func detached() -> Variable { Variable(value) }
}

/// Where the gradient by a variable arrives: what a backward pass holds of each input and output. The values that it reads, it
/// holds as tensors.
public final class GradientSlot {
  /// The sizes of the value and of its gradient.
  public let shape: [Int]
  /// Whether gradients flow into the variable.
  public internal(set) var requiresGradient: Bool
  /// d loss / d value; nil before the backward pass and where none arrived.
  public internal(set) var gradient: Tensor?

  init(shape: [Int], requiresGradient: Bool) {
    (self.shape, self.requiresGradient) = (shape, requiresGradient)
  }

  /// Elements of the value.
  public var count: Int { shape.reduce(1, *) }
}
