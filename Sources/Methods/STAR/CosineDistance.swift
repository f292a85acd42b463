import Autograd
import CKernels
import TensorCore

extension Tape {
  /// Mean over rows of 1 - cos(x, y), with x and y [..., C] (ST-AR, equation 4). y is a target and gets no
  /// gradient. A row of zeros has cosine 0 with everything, and no gradient.
  public func cosineDistance(_ x: Variable, to y: Tensor) -> Variable {
    let (rows, c) = (x.value.rowCount, x.value.lastDimension)
    precondition(x.shape == y.shape && rows > 0, "cosineDistance: \(x.shape) and \(y.shape)")
    let cosines = device.empty([rows])
    device.forRanges(rows) { range in
      for row in range {
        cosines.pointer[row] = Float(Cosine(x.value.pointer + row * c, y.pointer + row * c, c).value)
      }
    }
    let mean = cosines.buffer.reduce(0) { $0 + 1 - Double($1) } / Double(rows)
    return record(device.full([], Float(mean)), from: [x]) { [unowned self, x = x.slot, value = x.value] dy in
      let dx = device.empty(x.shape)
      let scale = -Double(dy.scalar) / Double(rows)
      device.forRanges(rows) { range in
        for row in range {
          let (a, b) = (value.pointer + row * c, y.pointer + row * c)
          let cosine = Cosine(a, b, c)
          // d cos / dx = (y / |y| - cos x / |x|) / |x|.
          tsr_scale(dx.pointer + row * c, Float(scale * cosine.inverseX * cosine.inverseY), b, c)
          let own = -scale * cosine.value * cosine.inverseX * cosine.inverseX
          tsr_axpy(dx.pointer + row * c, Float(own), a, c)
        }
      }
      accumulate(dx, into: x)
    }
  }
}

/// The cosine of two vectors, and one over their lengths; 0 for the length 0.
private struct Cosine {
  let inverseX: Double
  let inverseY: Double
  let value: Double

  init(_ x: UnsafePointer<Float>, _ y: UnsafePointer<Float>, _ count: Int) {
    func inverse(_ square: Double) -> Double { square > 0 ? 1 / square.squareRoot() : 0 }
    (inverseX, inverseY) = (inverse(tsr_dot(x, x, count)), inverse(tsr_dot(y, y, count)))
    value = tsr_dot(x, y, count) * inverseX * inverseY
  }
}
