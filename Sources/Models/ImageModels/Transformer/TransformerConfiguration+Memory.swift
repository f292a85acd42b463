import TensorCore

/// Lower bounds of the memory that a transformer of these sizes needs, in bytes: what is certainly in memory at one moment,
/// and not all of it. They are numbers with a fraction, since the products need not fit an integer.
extension TransformerConfiguration {
  /// The parameters in float32.
  public var parameterBytes: Double { 4 * Double(scalarCount) }

  /// What the backward pass of one image needs of all blocks: their inputs before and after attention; and in the format of
  /// products queries, keys and values, both halves of the feed-forward layer, and the inputs of the four products.
  /// - Parameter frozen: what is not trained. The products of frozen blocks need no inputs, and blocks in front of all that is trained
  ///   need nothing.
  public func trainingBytesPerImage(_ precision: Precision, frozen: [TransformerPart] = []) -> Double {
    let isFrozen = { block in frozen.contains { $0.contains(block: block) } }
    let first =
      frozen.contains(.tokens) && frozen.contains(.classes)
      ? (0..<layers).first { !isFrozen($0) } ?? layers : 0
    let channels = (first..<layers).reduce(0) { sum, block in
      let inputs = isFrozen(block) ? 0 : 3 * width + feedForwardWidth
      return sum + 2 * 4 * width + (3 * width + 2 * feedForwardWidth + inputs) * precision.bytes
    }
    return Double(tokenCount) * Double(channels)
  }

  /// The trained parameters in float32.
  public func trainedBytes(frozen: [TransformerPart]) -> Double {
    let embeddings =
      (frozen.contains(.tokens) ? 0 : inputCodes) + (frozen.contains(.classes) ? 0 : classCount + 1)
    let blocks = (0..<layers).count { block in !frozen.contains { $0.contains(block: block) } }
    let output = frozen.contains(.output) ? 0 : (vocabularySize + 1) * width
    return 4 * Double(embeddings * width + blocks * blockScalars + output)
  }

  /// What one block holds for one image without a backward pass: its input, and the larger of attention's products and
  /// the feed-forward layer's.
  public var passBytesPerImage: Double {
    Double(tokenCount) * Double(width + max(3 * width, 2 * feedForwardWidth)) * 4
  }

  /// The logits of one image.
  public var logitBytesPerImage: Double { Double(tokenCount) * Double(vocabularySize) * 4 }

  /// The keys and values of one row of a batch that is sampled.
  public func cacheBytes(_ precision: SamplingPrecision) -> Double {
    Double(layers) * Double(tokenCount) * Double(2 * width) * (precision == .float32 ? 4 : 2)
  }

  /// What sampling holds of one image beside the cache: rows of activations, and logits.
  /// - Parameters:
  ///   - places: positions of the image in a pass.
  ///   - rows: of each place, 2 with guidance.
  public func placeBytes(_ places: Int, rows: Double) -> Double {
    let activations = Double(6 * width + 3 * feedForwardWidth)
    return Double(min(places, tokenCount)) * (rows * activations + Double(vocabularySize)) * 4
  }

  /// The weights as sampling keeps them.
  public func packedBytes(_ precision: SamplingPrecision) -> Double {
    let bytes: [SamplingPrecision: Double] = [.float32: 4, .bfloat16: 2, .int8: 1]
    return Double(scalarCount) * (bytes[precision] ?? 1)
  }
}
