import Glibc
import Images

/// SSIM as Wang et al. (2004) define it: a Gaussian window of 11 x 11 with sigma 1.5, K1 = 0.01, K2 = 0.03, data range
/// 255, covariances of the window's weights (not of a sample), each colour channel for itself; the mean over channels
/// and over the places where the window lies inside the image.
public struct StructuralSimilarity: Sendable {
  /// Side of the window.
  public static let windowSize = 11
  private let window: [Double]
  private let stabilizers = (mean: 0.01 * 255 * 0.01 * 255, variance: 0.03 * 255 * 0.03 * 255)

  /// The one kind there is.
  public init() {
    let radius = Self.windowSize / 2
    let weights = (-radius...radius).map { exp(-Double($0 * $0) / (2 * 1.5 * 1.5)) }
    let sum = weights.reduce(0, +)
    window = weights.map { $0 / sum }
  }

  /// The similarity, at most 1, which equal images have.
  /// - Throws: `MetricsError.sizeMismatch`, `.imageTooSmall` for less than the window.
  public func callAsFunction(_ a: RGBImage, _ b: RGBImage) throws(MetricsError) -> Double {
    try a.requireSameSize(as: b)
    guard min(a.width, a.height) >= Self.windowSize else {
      throw .imageTooSmall(width: a.width, height: a.height, needed: Self.windowSize)
    }
    return (0..<3).reduce(0) { $0 + similarity(Plane(a, channel: $1), Plane(b, channel: $1)) } / 3
  }

  private func similarity(_ x: Plane, _ y: Plane) -> Double {
    let (meanX, meanY) = (smooth(x), smooth(y))
    let (squareX, squareY, product) = (smooth(x.times(x)), smooth(y.times(y)), smooth(x.times(y)))
    var sum = 0.0
    for i in meanX.values.indices {
      let (mx, my) = (meanX.values[i], meanY.values[i])
      let variances = (squareX.values[i] - mx * mx) + (squareY.values[i] - my * my)
      let covariance = product.values[i] - mx * my
      sum +=
        (2 * mx * my + stabilizers.mean) * (2 * covariance + stabilizers.variance)
        / ((mx * mx + my * my + stabilizers.mean) * (variances + stabilizers.variance))
    }
    return sum / Double(meanX.values.count)
  }

  /// The weighted mean of the window at every place where it lies inside: rows first, then columns.
  private func smooth(_ plane: Plane) -> Plane {
    plane.filteredAlongRows(window).transposed().filteredAlongRows(window)
  }
}

/// One channel of an image, as numbers.
private struct Plane {
  let width: Int
  let height: Int
  var values: [Double]

  init(width: Int, height: Int, values: [Double]) {
    (self.width, self.height, self.values) = (width, height, values)
  }

  init(_ image: RGBImage, channel: Int) {
    self.init(
      width: image.width, height: image.height,
      values: stride(from: channel, to: image.pixels.count, by: 3).map { Double(image.pixels[$0]) })
  }

  func times(_ other: Plane) -> Plane {
    Plane(width: width, height: height, values: zip(values, other.values).map { $0 * $1 })
  }

  /// Narrower by the window's length less one.
  func filteredAlongRows(_ window: [Double]) -> Plane {
    let newWidth = width - window.count + 1
    var filtered = [Double](repeating: 0, count: newWidth * height)
    values.withUnsafeBufferPointer { values in
      for row in 0..<height {
        for (offset, weight) in window.enumerated() {
          for x in 0..<newWidth { filtered[row * newWidth + x] += weight * values[row * width + x + offset] }
        }
      }
    }
    return Plane(width: newWidth, height: height, values: filtered)
  }

  func transposed() -> Plane {
    var turned = [Double](repeating: 0, count: values.count)
    for y in 0..<height { for x in 0..<width { turned[x * height + y] = values[y * width + x] } }
    return Plane(width: height, height: width, values: turned)
  }
}
