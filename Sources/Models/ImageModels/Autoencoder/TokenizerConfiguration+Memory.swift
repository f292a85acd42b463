/// Lower bounds of the memory that a tokenizer of these sizes needs, in bytes, as those of a transformer.
extension TokenizerConfiguration {
  /// The parameters in float32.
  public var parameterBytes: Double { 4 * Double(scalarCount) }

  /// What the backward pass of one image needs: the inputs of both convolutions of every residual block.
  /// - Parameter size: side of the image in pixels.
  public func trainingBytesPerImage(size: Int) -> Double {
    multipliers.enumerated().reduce(0) { sum, level in
      let side = Double(size >> level.offset)
      let blocks = Double(2 * residualBlocks + 1)
      return sum + 2 * blocks * side * side * Double(level.element * channels) * 4
    }
  }

  /// The input and the output of a convolution at the full size of one image, without a backward pass.
  public func passBytesPerImage(size: Int) -> Double {
    2 * Double(size) * Double(size) * Double(multipliers[0] * channels) * 4
  }
}
