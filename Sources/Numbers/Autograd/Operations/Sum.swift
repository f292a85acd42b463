import CKernels
import TensorCore

extension Tape {
  /// a + b, of one shape.
  public func add(_ a: Variable, _ b: Variable) -> Variable {
    record(device.sum(a.value, b.value), from: [a, b]) { [unowned self, a = a.slot, b = b.slot] dy in
      accumulate(dy, into: a)
      accumulate(dy, into: b)
    }
  }

  /// alpha a + beta b, of one shape.
  public func combination(_ alpha: Float, _ a: Variable, _ beta: Float, _ b: Variable) -> Variable {
    precondition(a.shape == b.shape, "combination: \(a.shape) and \(b.shape)")
    let y = device.scaled(a.value, alpha)
    device.forRanges(y.count, grain: 4096) {
      tsr_axpy(y.pointer + $0.lowerBound, beta, b.value.pointer + $0.lowerBound, $0.count)
    }
    return record(y, from: [a, b]) { [unowned self, a = a.slot, b = b.slot] dy in
      if a.requiresGradient { accumulate(device.scaled(dy, alpha), into: a) }
      if b.requiresGradient { accumulate(device.scaled(dy, beta), into: b) }
    }
  }

  /// Sum of scalars times constants: how a loss is put together from its terms.
  public func weightedSum(_ terms: [(term: Variable, weight: Float)]) -> Variable {
    precondition(terms.allSatisfy { $0.term.value.count == 1 }, "weightedSum: terms must be scalars")
    let value = terms.reduce(Float(0)) { $0 + $1.term.value.scalar * $1.weight }
    let weights = terms.map { ($0.term.slot, $0.weight) }
    return record(device.full([], value), from: terms.map(\.term)) { [unowned self] dy in
      for (slot, weight) in weights { accumulate(device.full(slot.shape, dy.scalar * weight), into: slot) }
    }
  }

  /// The value of one variable with the gradient of another: what a quantiser does in the backward pass
  /// ("straight-through estimator").
  public func straightThrough(value: Variable, gradientTo source: Variable) -> Variable {
    precondition(
      value.value.count == source.value.count, "straightThrough: \(value.shape) and \(source.shape)")
    return record(value.value, from: [source]) { [unowned self, source = source.slot] dy in
      accumulate(dy, into: source)
    }
  }

  /// The same elements under another shape.
  public func reshape(_ x: Variable, _ shape: [Int]) -> Variable {
    record(x.value.reshaped(shape), from: [x]) { [unowned self, x = x.slot] dy in accumulate(dy, into: x) }
  }
}
