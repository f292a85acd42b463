import CKernels
import TensorCore

/// How far apart two tensors are, element by element.
public enum ReconstructionLoss: String, Sendable, CaseIterable, Codable {
  /// Mean squared error.
  case l2
  /// Mean absolute error.
  case l1
}

extension Tape {
  /// Mean over elements of (x - y)^2 or |x - y|. Gradients flow into both unless detached.
  public func meanError(_ x: Variable, _ y: Variable, _ kind: ReconstructionLoss = .l2) -> Variable {
    precondition(x.value.count == y.value.count, "meanError: \(x.shape) and \(y.shape)")
    let n = x.value.count
    let gradient = device.empty(x.shape)
    let grain = 4096
    var partial = [Double](repeating: 0, count: (n + grain - 1) / grain)
    partial.withUnsafeMutableBufferPointer { partial in
      let sums = partial.baseAddress!
      device.forRanges(n, grain: grain) { range in
        for start in stride(from: range.lowerBound, to: range.upperBound, by: grain) {
          let count = min(grain, range.upperBound - start)
          let kernel = kind == .l2 ? tsr_squared_error : tsr_absolute_error
          sums[start / grain] = kernel(
            gradient.pointer + start, x.value.pointer + start, y.value.pointer + start, 1 / Float(n), count)
        }
      }
    }
    let mean = partial.reduce(0, +) / Double(n)
    return record(device.full([], Float(mean)), from: [x, y]) { [unowned self, x = x.slot, y = y.slot] dy in
      if x.requiresGradient { accumulate(device.scaled(gradient, dy.scalar), into: x) }
      if y.requiresGradient { accumulate(device.scaled(gradient, -dy.scalar), into: y) }
    }
  }
}
