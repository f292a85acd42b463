import CKernels
import TensorCore

extension Tape {
  /// How far apart the features x and y [B, H, W, C] of two batches of images are, [B]: at each place both are divided by
  /// (their length + 1e-10), and the squared differences are weighted by channel, summed over the channels and averaged
  /// over the places (LPIPS, equation 1).
  ///
  /// Where all channels of a place are 0 the length has no derivative. The gradient of such a place is 0.
  public func unitVectorDistance(_ x: Variable, _ y: Variable, weights: [Float]) -> Variable {
    let c = weights.count
    precondition(
      x.shape == y.shape && x.shape.count == 4 && x.value.lastDimension == c,
      "unitVectorDistance: \(x.shape) and \(y.shape), \(c) weights")
    let (batch, places) = (x.shape[0], x.shape[1] * x.shape[2])
    var parts = [Double](repeating: 0, count: batch * places)
    parts.withUnsafeMutableBufferPointer { parts in
      let parts = parts.baseAddress!
      device.forRanges(batch * places, grain: 16) {
        for place in $0 {
          parts[place] = tsr_unit_distance(
            x.value.pointer + place * c, y.value.pointer + place * c, weights, c)
        }
      }
    }
    let means = (0..<batch).map {
      Float(parts[$0 * places..<($0 + 1) * places].reduce(0, +) / Double(places))
    }
    return record(device.tensor(means, [batch]), from: [x, y]) {
      [unowned self, a = x.slot, b = y.slot, x = x.value, y = y.value] dy in
      func gradient(of x: Tensor, against y: Tensor) -> Tensor {
        let dx = device.empty(x.shape)
        device.forRanges(batch * places, grain: 16) {
          for place in $0 {
            tsr_unit_distance_gradient(
              dx.pointer + place * c, x.pointer + place * c, y.pointer + place * c, weights,
              Double(dy.pointer[place / places]) / Double(places), c)
          }
        }
        return dx
      }
      if a.requiresGradient { accumulate(gradient(of: x, against: y), into: a) }
      if b.requiresGradient { accumulate(gradient(of: y, against: x), into: b) }
    }
  }
}
