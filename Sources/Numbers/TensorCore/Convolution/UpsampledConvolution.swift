/// Weights of a 3x3 convolution of images that are doubled by their nearest pixels first.
///
/// Three pixels of the doubled image in a row are copies of only two pixels. So the convolution is four convolutions of
/// 2x2 pixels of the image itself, one for each place within a doubled pixel, whose weights are sums of the given ones: 4/9 of
/// the multiplications, and the doubled image is never written. Belongs to one device.
public final class UpsampledConvolutionWeights {
  private let weight, bias: Tensor
  let geometry: ConvolutionGeometry
  /// By place within a doubled pixel, row by row; made when they are first needed.
  private var places: [ConvolutionWeights]?

  /// - Parameters:
  ///   - geometry: of the convolution of the doubled image: 3x3, which keeps the size.
  ///   - weight: [O, I, 3, 3]
  ///   - bias: [O]
  public init(_ geometry: ConvolutionGeometry, weight: Tensor, bias: Tensor) {
    precondition(
      Self.fits(geometry) && weight.shape == geometry.weightShape && bias.shape == [geometry.outChannels],
      "UpsampledConvolutionWeights: weight \(weight.shape), bias \(bias.shape), geometry \(geometry)")
    (self.geometry, self.weight, self.bias) = (geometry, weight, bias)
  }

  private static func fits(_ geometry: ConvolutionGeometry) -> Bool {
    geometry
      == ConvolutionGeometry(inChannels: geometry.inChannels, outChannels: geometry.outChannels, kernel: 3)
  }

  /// Rows (or columns) of the kernel that fall on the first of the two pixels, for a place 0 or 1 within the doubled pixel;
  /// the others fall on the second.
  private static let firstRows = [0..<1, 0..<2]

  func convolutions(on device: Device) -> [ConvolutionWeights] {
    if let places { return places }
    let made = (0..<4).map { place in
      let (row, column) = (place / 2, place % 2)
      var small = ConvolutionGeometry(
        inChannels: geometry.inChannels, outChannels: geometry.outChannels, kernel: 2)
      (small.padTop, small.padBottom) = (1 - row, row)
      (small.padLeft, small.padRight) = (1 - column, column)
      return ConvolutionWeights(small, weight: summed(row, column, on: device), bias: bias)
    }
    places = made
    return made
  }

  /// [O, I, 2, 2]
  private func summed(_ row: Int, _ column: Int, on device: Device) -> Tensor {
    let sums = device.zeros([geometry.outChannels, geometry.inChannels, 2, 2])
    for kernel in 0..<geometry.outChannels * geometry.inChannels {
      for i in 0..<3 {
        for j in 0..<3 {
          let to =
            (Self.firstRows[row].contains(i) ? 0 : 2) + (Self.firstRows[column].contains(j) ? 0 : 1)
          sums.pointer[kernel * 4 + to] += weight.pointer[kernel * 9 + i * 3 + j]
        }
      }
    }
    return sums
  }
}

extension Device {
  /// The convolution of the doubled x [B, H, W, I]: [B, 2 H, 2 W, O].
  public func convolveUpsampled(_ x: Tensor, _ weights: UpsampledConvolutionWeights) -> Tensor {
    precondition(
      x.shape.count == 4 && x.shape[3] == weights.geometry.inChannels,
      "convolveUpsampled: input \(x.shape), geometry \(weights.geometry)")
    let (height, width, channels) = (x.shape[1], x.shape[2], weights.geometry.outChannels)
    let output = empty([x.shape[0], 2 * height, 2 * width, channels])
    let input = convolutionInput(x)
    for (place, convolution) in weights.convolutions(on: self).enumerated() {
      let part = convolve(input, convolution)
      forRanges(x.shape[0] * height) { rows in
        for row in rows {
          let source = part.pointer + row * width * channels
          let target = output.pointer + ((2 * row + place / 2) * 2 * width + place % 2) * channels
          for column in 0..<width {
            (target + 2 * column * channels).update(from: source + column * channels, count: channels)
          }
        }
      }
    }
    return output
  }
}
