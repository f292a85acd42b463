import Glibc
import TensorCore

extension Tape {
  /// Mean of all elements, a scalar.
  public func mean(_ x: Variable) -> Variable { mean(x) { (Double($0), 1) } }

  /// Mean over elements of max(0, 1 - sign x): the hinge that pushes x beyond 1 (sign 1) or below -1 (sign -1). At the
  /// corner the gradient is 0.
  public func meanHinge(_ x: Variable, sign: Float) -> Variable {
    mean(x) { value in
      let margin = 1 - Double(sign) * Double(value)
      return margin > 0 ? (margin, -sign) : (0, 0)
    }
  }

  /// Mean over elements of max(0, x - bound)^2 (sign 1) or max(0, bound - x)^2 (sign -1): what pushes x back to a bound.
  public func meanSquaredExcess(_ x: Variable, over bound: Float, sign: Float) -> Variable {
    mean(x) { value in
      let excess = max(0, Double(sign) * (Double(value) - Double(bound)))
      return (excess * excess, Float(2 * excess) * sign)
    }
  }

  /// Mean over elements of log(1 + exp(sign x)).
  public func meanSoftplus(_ x: Variable, sign: Float) -> Variable {
    mean(x) { value in
      let t = Double(sign) * Double(value)
      return (max(t, 0) + log1p(exp(-abs(t))), sign * Float(1 / (1 + exp(-t))))
    }
  }

  /// Mean over elements of a function, which gives a value and its derivative.
  private func mean(_ x: Variable, of function: (Float) -> (Double, Float)) -> Variable {
    let slopes = device.empty(x.shape)
    var total = 0.0
    for (i, element) in x.value.buffer.enumerated() {
      let (value, slope) = function(element)
      total += value
      slopes.pointer[i] = slope
    }
    let n = x.value.count
    return record(device.full([], Float(total / Double(n))), from: [x]) { [unowned self, x = x.slot] dy in
      accumulate(device.scaled(slopes, dy.scalar / Float(n)), into: x)
    }
  }
}
