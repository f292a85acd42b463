import Autograd
import TensorCore

/// Makes the blocks of Inception-v3 (Szegedy et al., 2015) from its weights.
struct InceptionBuilder {
  let weights: NetworkWeights
  let device: Device

  /// 3 x 3 at every place, the size kept.
  static let samePool = PoolingWindow(kernel: 3, stride: 1, padBefore: 1, padAfter: 1)
  private static let halvingPool = PoolingWindow(kernel: 3, stride: 2)

  func stem() throws -> ImageGraph {
    .sequence([
      try square("Conv2d_1a_3x3", 3, 32, kernel: 3, stride: 2, pad: 0),
      try square("Conv2d_2a_3x3", 32, 32, kernel: 3, pad: 0), try square("Conv2d_2b_3x3", 32, 64, kernel: 3),
      .maxPool(Self.halvingPool), try square("Conv2d_3b_1x1", 64, 80, kernel: 1),
      try square("Conv2d_4a_3x3", 80, 192, kernel: 3, pad: 0), .maxPool(Self.halvingPool),
    ])
  }

  /// 35 x 35.
  func blockA(_ name: String, _ inputs: Int, pool: Int) throws -> ImageGraph {
    let n = name + ".branch"
    return .branches([
      try square(n + "1x1", inputs, 64, kernel: 1),
      .sequence([try square(n + "5x5_1", inputs, 48, kernel: 1), try square(n + "5x5_2", 48, 64, kernel: 5)]),
      .sequence([
        try square(n + "3x3dbl_1", inputs, 64, kernel: 1), try square(n + "3x3dbl_2", 64, 96, kernel: 3),
        try square(n + "3x3dbl_3", 96, 96, kernel: 3),
      ]),
      .sequence([.averagePool(Self.samePool), try square(n + "_pool", inputs, pool, kernel: 1)]),
    ])
  }

  /// 35 x 35 to 17 x 17.
  func blockB(_ name: String, _ inputs: Int) throws -> ImageGraph {
    let n = name + ".branch"
    return .branches([
      try square(n + "3x3", inputs, 384, kernel: 3, stride: 2, pad: 0),
      .sequence([
        try square(n + "3x3dbl_1", inputs, 64, kernel: 1), try square(n + "3x3dbl_2", 64, 96, kernel: 3),
        try square(n + "3x3dbl_3", 96, 96, kernel: 3, stride: 2, pad: 0),
      ]),
      .maxPool(Self.halvingPool),
    ])
  }

  /// 17 x 17, with kernels of 1 x 7 and 7 x 1.
  func blockC(_ name: String, _ inputs: Int, width: Int) throws -> ImageGraph {
    let n = name + ".branch"
    return .branches([
      try square(n + "1x1", inputs, 192, kernel: 1),
      .sequence([
        try square(n + "7x7_1", inputs, width, kernel: 1), try convolution(n + "7x7_2", width, width, 1, 7),
        try convolution(n + "7x7_3", width, 192, 7, 1),
      ]),
      .sequence([
        try square(n + "7x7dbl_1", inputs, width, kernel: 1),
        try convolution(n + "7x7dbl_2", width, width, 7, 1),
        try convolution(n + "7x7dbl_3", width, width, 1, 7),
        try convolution(n + "7x7dbl_4", width, width, 7, 1),
        try convolution(n + "7x7dbl_5", width, 192, 1, 7),
      ]),
      .sequence([.averagePool(Self.samePool), try square(n + "_pool", inputs, 192, kernel: 1)]),
    ])
  }

  /// 17 x 17 to 8 x 8.
  func blockD(_ name: String, _ inputs: Int) throws -> ImageGraph {
    let n = name + ".branch"
    return .branches([
      .sequence([
        try square(n + "3x3_1", inputs, 192, kernel: 1),
        try square(n + "3x3_2", 192, 320, kernel: 3, stride: 2, pad: 0),
      ]),
      .sequence([
        try square(n + "7x7x3_1", inputs, 192, kernel: 1), try convolution(n + "7x7x3_2", 192, 192, 1, 7),
        try convolution(n + "7x7x3_3", 192, 192, 7, 1),
        try square(n + "7x7x3_4", 192, 192, kernel: 3, stride: 2, pad: 0),
      ]),
      .maxPool(Self.halvingPool),
    ])
  }

  /// 8 x 8; the two blocks of this form differ in their pooling.
  func blockE(_ name: String, _ inputs: Int, pool: ImageGraph) throws -> ImageGraph {
    let n = name + ".branch"
    func fork(_ a: String, _ b: String) throws -> ImageGraph {
      .branches([try convolution(n + a, 384, 384, 1, 3), try convolution(n + b, 384, 384, 3, 1)])
    }
    return .branches([
      try square(n + "1x1", inputs, 320, kernel: 1),
      .sequence([try square(n + "3x3_1", inputs, 384, kernel: 1), try fork("3x3_2a", "3x3_2b")]),
      .sequence([
        try square(n + "3x3dbl_1", inputs, 448, kernel: 1), try square(n + "3x3dbl_2", 448, 384, kernel: 3),
        try fork("3x3dbl_3a", "3x3dbl_3b"),
      ]),
      .sequence([pool, try square(n + "_pool", inputs, 192, kernel: 1)]),
    ])
  }

  private func square(
    _ name: String, _ inputs: Int, _ outputs: Int, kernel: Int, stride: Int = 1, pad: Int? = nil
  ) throws -> ImageGraph {
    try convolution(
      name,
      ConvolutionGeometry(
        inChannels: inputs, outChannels: outputs, kernel: kernel, stride: stride, padBefore: pad,
        padAfter: pad))
  }

  /// A convolution that keeps the size, with an odd kernel of `height` x `width`.
  private func convolution(
    _ name: String, _ inputs: Int, _ outputs: Int, _ height: Int, _ width: Int
  ) throws -> ImageGraph {
    try convolution(
      name,
      ConvolutionGeometry(
        inChannels: inputs, outChannels: outputs, kernelHeight: height, kernelWidth: width,
        padVertical: height / 2,
        padHorizontal: width / 2))
  }

  private func convolution(_ name: String, _ geometry: ConvolutionGeometry) throws -> ImageGraph {
    .convolution(
      try weights.convolution(
        name + ".conv", normalizedBy: name + ".bn", epsilon: 1e-3, geometry, .relu, device))
  }
}
