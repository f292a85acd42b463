import CKernels

/// Convolution as a matrix product over patches: needs nothing but a matrix product, and is the whole
/// implementation where oneDNN is absent. Also the oracle of the other one, which leaves some shapes to it.
final class ConvolutionByPatches {
  /// Floats of patches a thread holds at a time: half a level-2 cache, so that the product reads them
  /// from there.
  private static let patchFloats = 128 * 1024
  /// Patches are at least so many, whatever their size: the product packs all weights for each block of them.
  private static let fewestPatches = 64

  func forward(
    _ device: Device, input: ConvolutionInput, weight: Tensor, bias: Tensor, output: Tensor,
    _ geometry: ConvolutionGeometry, training: Bool
  ) {
    forward(
      device, input: input, matrix: Self.weightMatrix(device, weight, geometry), bias: bias, output: output,
      geometry)
  }

  /// The blocks do not depend on the threads, which share them, and neither do the bytes.
  private func forward(
    _ device: Device, input: ConvolutionInput, matrix: Tensor, bias: Tensor, output: Tensor,
    _ geometry: ConvolutionGeometry
  ) {
    let input = input.float32
    let (outHeight, outWidth) = (output.shape[1], output.shape[2])
    let step = Self.rowsPerBlock(geometry, width: outWidth)
    let blocksPerImage = (outHeight + step - 1) / step
    let blocks = input.shape[0] * blocksPerImage
    let parts = min(device.threads.count, blocks)
    let scratch = device.empty([parts, Self.patchCount(geometry, width: outWidth)])
    device.forRanges(parts) { range in
      for part in range {
        let columns = scratch.pointer + part * scratch.shape[1]
        for block in blocks * part / parts..<blocks * (part + 1) / parts {
          let (image, row) = (block / blocksPerImage, block % blocksPerImage * step)
          let rows = min(step, outHeight - row)
          Self.patches(columns, input, image: image, row: row, rows: rows, geometry, outWidth: outWidth)
          let y = output.pointer + ((image * outHeight + row) * outWidth) * geometry.outChannels
          Self.product(columns, matrix, into: y, rows: rows * outWidth, geometry)
          tsr_add_bias(y, bias.pointer, rows * outWidth, geometry.outChannels)
        }
      }
    }
  }

  /// As above, for weights that are used again and again.
  func forward(_ device: Device, input: ConvolutionInput, _ weights: ConvolutionWeights, output: Tensor) {
    let matrix = weights.matrix ?? Self.weightMatrix(device, weights.weight, weights.geometry)
    weights.matrix = matrix
    forward(device, input: input, matrix: matrix, bias: weights.bias, output: output, weights.geometry)
    guard weights.upper > 0 else { return }
    device.forRanges(output.count, grain: 4096) {
      tsr_clamp_positive(output.pointer + $0.lowerBound, weights.upper, $0.count)
    }
  }

  func backward(
    _ device: Device, outputGradient: Tensor, input: ConvolutionInput, weight: Tensor,
    _ geometry: ConvolutionGeometry, inputGradient: Tensor?, weightGradient: Tensor?, biasGradient: Tensor?
  ) {
    let input = input.float32
    let g = geometry
    let parts = convolutionParts(
      g, inputShape: input.shape, threads: device.threads.count, byRowsAllowed: false)
    let matrix = Self.weightMatrix(device, weight, g)
    let patch = g.kernelArea * g.inChannels
    let outWidth = outputGradient.shape[2]
    let scratch = device.empty([parts.count, Self.patchCount(g, width: outWidth)])
    let partial = device.zeros([weightGradient == nil ? 0 : parts.count, g.weightCount])
    let partialBias = device.zeros([biasGradient == nil ? 0 : parts.count, g.outChannels])
    let imageSize = input.count / max(input.shape[0], 1)
    device.forRanges(parts.count) { range in
      for index in range {
        let (part, image, _, _) = parts[index]
        let columns = scratch.pointer + index * scratch.shape[1]
        for b in image..<image + part.batch {
          inputGradient.map { ($0.pointer + b * imageSize).update(repeating: 0, count: imageSize) }
          Self.forEachRowBlock(part) { row, rows in
            let dy = outputGradient.pointer + (b * outputGradient.shape[1] + row) * outWidth * g.outChannels
            if weightGradient != nil {
              tsr_column_sums(
                partialBias.pointer + index * g.outChannels, dy, rows * outWidth, g.outChannels)
              Self.patches(columns, input, image: b, row: row, rows: rows, g, outWidth: outWidth)
              multiplySerially(
                m: g.outChannels, n: patch, k: rows * outWidth,
                MatrixOperand(dy, stride: g.outChannels, transposed: true),
                MatrixOperand(columns, stride: patch), beta: 1, into: partial.pointer + index * g.weightCount,
                stride: patch)
            }
            guard let inputGradient else { return }
            multiplySerially(
              m: rows * outWidth, n: patch, k: g.outChannels, MatrixOperand(dy, stride: g.outChannels),
              MatrixOperand(matrix.pointer, stride: patch), into: columns, stride: patch)
            tsr_add_patches(
              inputGradient.pointer + b * imageSize, columns, part.height, part.width, g.inChannels,
              g.kernelHeight, g.kernelWidth, g.stride, part.padTop, g.padLeft, row, rows, outWidth)
          }
        }
      }
    }
    guard let weightGradient, let biasGradient else { return }
    for index in parts.indices {
      Self.addWeightMatrix(partial.pointer + index * g.weightCount, to: weightGradient, g)
      tsr_axpy(biasGradient.pointer, 1, partialBias.pointer + index * g.outChannels, g.outChannels)
    }
  }

  /// The gradient of the input alone, by weights that are used again and again.
  func backward(
    _ device: Device, outputGradient: Tensor, _ weights: ConvolutionWeights, inputGradient: Tensor
  ) {
    // The input itself is read for the gradient of the weights only: its shape is enough.
    backward(
      device, outputGradient: outputGradient, input: ConvolutionInput(float32: inputGradient),
      weight: weights.weight, weights.geometry, inputGradient: inputGradient, weightGradient: nil,
      biasGradient: nil)
  }

  private static func rowsPerBlock(_ g: ConvolutionGeometry, width: Int) -> Int {
    max((fewestPatches + width - 1) / width, patchFloats / (g.kernelArea * g.inChannels * width))
  }

  private static func patchCount(_ g: ConvolutionGeometry, width: Int) -> Int {
    rowsPerBlock(g, width: width) * width * g.kernelArea * g.inChannels
  }

  private static func forEachRowBlock(_ part: ConvolutionPart, _ body: (_ row: Int, _ rows: Int) -> Void) {
    let step = rowsPerBlock(part.geometry, width: part.outWidth)
    for row in stride(from: 0, to: part.outHeight, by: step) { body(row, min(step, part.outHeight - row)) }
  }

  /// Patches of some rows of the output of an image.
  private static func patches(
    _ columns: UnsafeMutablePointer<Float>, _ input: Tensor, image: Int, row: Int, rows: Int,
    _ g: ConvolutionGeometry, outWidth: Int
  ) {
    let (height, width) = (input.shape[1], input.shape[2])
    tsr_patches(
      columns, input.pointer + image * height * width * g.inChannels, height, width, g.inChannels,
      g.kernelHeight, g.kernelWidth, g.stride, g.padTop, g.padLeft, row, rows, outWidth)
  }

  private static func product(
    _ columns: UnsafePointer<Float>, _ matrix: Tensor, into y: UnsafeMutablePointer<Float>, rows: Int,
    _ g: ConvolutionGeometry
  ) {
    let patch = g.kernelArea * g.inChannels
    multiplySerially(
      m: rows, n: g.outChannels, k: patch, MatrixOperand(columns, stride: patch),
      MatrixOperand(matrix.pointer, stride: patch, transposed: true), into: y, stride: g.outChannels)
  }

  /// [O, I, kH, kW] to [O, kH * kW * I], the order of a patch in channels-last images.
  private static func weightMatrix(_ device: Device, _ weight: Tensor, _ g: ConvolutionGeometry) -> Tensor {
    let matrix = device.empty([g.outChannels, g.kernelArea * g.inChannels])
    forEachWeight(g) { oihw, ohwi in matrix.pointer[ohwi] = weight.pointer[oihw] }
    return matrix
  }

  private static func addWeightMatrix(
    _ matrix: UnsafePointer<Float>, to weight: Tensor, _ g: ConvolutionGeometry
  ) {
    forEachWeight(g) { oihw, ohwi in weight.pointer[oihw] += matrix[ohwi] }
  }

  private static func forEachWeight(_ g: ConvolutionGeometry, _ body: (_ oihw: Int, _ ohwi: Int) -> Void) {
    let area = g.kernelArea
    for o in 0..<g.outChannels {
      for i in 0..<g.inChannels {
        for p in 0..<area { body((o * g.inChannels + i) * area + p, (o * area + p) * g.inChannels + i) }
      }
    }
  }
}
