/// A separable resampling filter.
public enum ResamplingFilter: Sendable {
  /// The mean of the pixels under the new one.
  case box
  /// Cubic convolution with a = -0.5.
  case bicubic

  fileprivate var support: Double {
    switch self {
    case .box: 0.5
    case .bicubic: 2
    }
  }

  fileprivate func weight(_ x: Double) -> Double {
    switch self {
    case .box: return x > -0.5 && x <= 0.5 ? 1 : 0
    case .bicubic:
      let a = -0.5
      let x = abs(x)
      if x < 1 { return ((a + 2) * x - (a + 3)) * x * x + 1 }
      if x < 2 { return (((x - 5) * x + 8) * x - 4) * a }
      return 0
    }
  }
}

/// For every new position, which old ones it draws on and with what 22-bit fixed-point weights.
private struct Coefficients {
  static let fractionBits: Int32 = 22
  var first: [Int] = []
  var count: [Int] = []
  /// `stride` weights a position.
  var weights: [Int32]
  let stride: Int

  init(from oldSize: Int, to newSize: Int, filter: ResamplingFilter) {
    let scale = Double(oldSize) / Double(newSize)
    let widening = max(scale, 1)
    let support = filter.support * widening
    stride = Int(support.rounded(.up)) * 2 + 1
    weights = [Int32](repeating: 0, count: newSize * stride)
    for position in 0..<newSize {
      let center = (Double(position) + 0.5) * scale
      let start = max(Int(center - support + 0.5), 0)
      let end = min(Int(center + support + 0.5), oldSize)
      // Multiplying by the reciprocal, not dividing: the last bit decides some roundings.
      let inverse = 1 / widening
      let exact = (start..<end).map { filter.weight((Double($0) - center + 0.5) * inverse) }
      let sum = exact.reduce(0, +)
      for (i, weight) in exact.enumerated() {
        weights[position * stride + i] = Self.fixedPoint(sum == 0 ? weight : weight / sum)
      }
      first.append(start)
      count.append(end - start)
    }
  }

  private static func fixedPoint(_ weight: Double) -> Int32 {
    let scaled = weight * Double(1 << fractionBits)
    return Int32(scaled < 0 ? scaled - 0.5 : scaled + 0.5)
  }
}

extension RGBImage {
  /// Resampled to the given size, byte for byte as `Image.resize` of Pillow 12.3.0, by which the tests' pictures were made:
  /// columns first, then rows, each pass rounded to 8 bits. Pillow 13 takes the rows first where the height shrinks much
  /// more than the width, as in the centre crop of images of 3:1 and taller: up to 20 levels of a sample differ there.
  public func resized(width newWidth: Int, height newHeight: Int, filter: ResamplingFilter) -> RGBImage {
    precondition(newWidth > 0 && newHeight > 0, "an image has at least one pixel")
    var image = self
    if newWidth != width {
      image = image.resampledColumns(Coefficients(from: width, to: newWidth, filter: filter), newWidth)
    }
    if newHeight != height {
      image = image.resampledRows(Coefficients(from: height, to: newHeight, filter: filter), newHeight)
    }
    return image
  }

  private func resampledColumns(_ coefficients: Coefficients, _ newWidth: Int) -> RGBImage {
    filled(newWidth, height, coefficients.weights) { source, target, weights in
      for y in 0..<height {
        for x in 0..<newWidth {
          let start = (y * width + coefficients.first[x]) * 3
          let pixel = target + (y * newWidth + x) * 3
          (pixel[0], pixel[1], pixel[2]) = weightedSum(
            source + start, step: 3, weights + x * coefficients.stride, coefficients.count[x])
        }
      }
    }
  }

  private func resampledRows(_ coefficients: Coefficients, _ newHeight: Int) -> RGBImage {
    filled(width, newHeight, coefficients.weights) { source, target, weights in
      for y in 0..<newHeight {
        for x in 0..<width {
          let start = (coefficients.first[y] * width + x) * 3
          let pixel = target + (y * width + x) * 3
          (pixel[0], pixel[1], pixel[2]) = weightedSum(
            source + start, step: width * 3, weights + y * coefficients.stride, coefficients.count[y])
        }
      }
    }
  }

  private func filled(
    _ newWidth: Int, _ newHeight: Int, _ weights: [Int32],
    _ fill: (UnsafePointer<UInt8>, UnsafeMutablePointer<UInt8>, UnsafePointer<Int32>) -> Void
  ) -> RGBImage {
    let count = newWidth * newHeight * 3
    let samples = [UInt8](unsafeUninitializedCapacity: count) { target, initialized in
      pixels.withUnsafeBufferPointer { source in
        weights.withUnsafeBufferPointer { weights in
          fill(source.baseAddress!, target.baseAddress!, weights.baseAddress!)
        }
      }
      initialized = count
    }
    return RGBImage(width: newWidth, height: newHeight, pixels: samples)
  }
}

/// The weighted sums of the three channels of `count` pixels `step` samples apart, rounded and clipped.
@inline(__always)
private func weightedSum(
  _ source: UnsafePointer<UInt8>, step: Int, _ weights: UnsafePointer<Int32>, _ count: Int
) -> (UInt8, UInt8, UInt8) {
  let half = Int32(1) << (Coefficients.fractionBits - 1)
  var (red, green, blue) = (half, half, half)
  for i in 0..<count {
    let weight = weights[i]
    let pixel = source + i * step
    red &+= Int32(pixel[0]) &* weight
    green &+= Int32(pixel[1]) &* weight
    blue &+= Int32(pixel[2]) &* weight
  }
  return (clipped(red), clipped(green), clipped(blue))
}

@inline(__always)
private func clipped(_ sum: Int32) -> UInt8 {
  UInt8(clamping: sum >> Coefficients.fractionBits)
}
