import TensorCore

/// The largest difference, as a share of the largest expected element.
func largestError(_ actual: Tensor, _ expected: [Double]) -> Double {
  guard actual.count == expected.count else { return .infinity }
  let scale = expected.reduce(0) { max($0, abs($1)) }
  return zip(actual.toArray(), expected).reduce(0) { max($0, abs(Double($1.0) - $1.1)) } / scale
}

/// A convolution in double, as it is defined.
func definition(_ x: Tensor, _ w: Tensor, _ bias: Tensor, _ g: ConvolutionGeometry) -> [Double] {
  let (height, width) = (x.shape[1], x.shape[2])
  var result: [Double] = []
  for b in 0..<x.shape[0] {
    for oy in 0..<g.outputHeight(height) {
      for ox in 0..<g.outputWidth(width) {
        for o in 0..<g.outChannels {
          var sum = Double(bias.pointer[o])
          for ky in 0..<g.kernelHeight {
            for kx in 0..<g.kernelWidth {
              let (y, column) = (oy * g.stride + ky - g.padTop, ox * g.stride + kx - g.padLeft)
              guard (0..<height).contains(y), (0..<width).contains(column) else { continue }
              for i in 0..<g.inChannels {
                let weight = w.pointer[((o * g.inChannels + i) * g.kernelHeight + ky) * g.kernelWidth + kx]
                sum +=
                  Double(x.pointer[((b * height + y) * width + column) * g.inChannels + i]) * Double(weight)
              }
            }
          }
          result.append(sum)
        }
      }
    }
  }
  return result
}
