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
    let row = UnitVectorRow(weights: weights)
    var parts = [Double](repeating: 0, count: batch * places)
    parts.withUnsafeMutableBufferPointer { parts in
      let parts = parts.baseAddress!
      device.forRanges(batch * places, grain: 16) {
        for place in $0 {
          parts[place] = row.distance(x.value.pointer + place * c, y.value.pointer + place * c)
        }
      }
    }
    let means = (0..<batch).map {
      Float(parts[$0 * places..<($0 + 1) * places].reduce(0, +) / Double(places))
    }
    return record(device.tensor(means, [batch]), from: [x, y]) { [unowned self] dy in
      func gradient(of a: Variable, against b: Variable) -> Tensor {
        let dx = device.empty(a.shape)
        device.forRanges(batch * places, grain: 16) {
          for place in $0 {
            row.setGradient(
              dx.pointer + place * c, a.value.pointer + place * c, b.value.pointer + place * c,
              scale: Double(dy.pointer[place / places]) / Double(places))
          }
        }
        return dx
      }
      if x.requiresGradient { accumulate(gradient(of: x, against: y), into: x) }
      if y.requiresGradient { accumulate(gradient(of: y, against: x), into: y) }
    }
  }
}

/// One place of two images. Sums are in double.
private struct UnitVectorRow {
  let weights: [Float]

  private func length(_ x: UnsafePointer<Float>) -> Double {
    var sum = 0.0
    for i in weights.indices { sum += Double(x[i]) * Double(x[i]) }
    return sum.squareRoot()
  }

  func distance(_ x: UnsafePointer<Float>, _ y: UnsafePointer<Float>) -> Double {
    let (a, b) = (1 / (length(x) + 1e-10), 1 / (length(y) + 1e-10))
    var total = 0.0
    for i in weights.indices {
      let difference = Double(x[i]) * a - Double(y[i]) * b
      total += Double(weights[i]) * difference * difference
    }
    return total
  }

  /// With g = 2 w (u - v), n the length of x and e = 1e-10: dx = g / (n + e) - x (g x) / (n (n + e)^2).
  func setGradient(
    _ dx: UnsafeMutablePointer<Float>, _ x: UnsafePointer<Float>, _ y: UnsafePointer<Float>, scale: Double
  ) {
    let n = length(x)
    guard n > 0 else {
      dx.update(repeating: 0, count: weights.count)
      return
    }
    let (a, b) = (1 / (n + 1e-10), 1 / (length(y) + 1e-10))
    func outer(_ i: Int) -> Double {
      2 * scale * Double(weights[i]) * (Double(x[i]) * a - Double(y[i]) * b)
    }
    var along = 0.0
    for i in weights.indices { along += outer(i) * Double(x[i]) }
    for i in weights.indices { dx[i] = Float(outer(i) * a - Double(x[i]) * along * a * a / n) }
  }
}
