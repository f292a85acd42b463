import CKernels
import Glibc
import TensorCore

/// How sure a quantiser is of each code, and how evenly it uses all of them, in nats.
public struct CodeEntropy {
  /// ``sampleEntropy`` - ``codeEntropy``, a scalar to run backward from.
  public let loss: Variable
  /// Mean over latents of the entropy of p(code | latent).
  public let sampleEntropy: Double
  /// Entropy of the mean of p(code | latent) over latents: at most the logarithm of the number of codes.
  public let codeEntropy: Double

  init(
    _ tape: Tape, sample: Double, code: Double, from inputs: [Variable], _ backward: @escaping (Float) -> Void
  ) {
    (sampleEntropy, codeEntropy) = (sample, code)
    loss = tape.record(tape.device.full([], Float(sample - code)), from: inputs) { backward($0.scalar) }
  }
}

extension Tape {
  /// The entropy terms of a codebook (MaskGIT's VQGAN, MAGVIT-v2): p(code | latent) is the softmax of the negative squared
  /// distances divided by the temperature. Gradients flow into latents [n, d] and codes [K, d].
  ///
  /// The probabilities [n, K] exist for a block of rows at a time. They are computed twice, because the gradient of a row
  /// needs the mean over all rows. Products are in float32 on every device: a temperature of 0.01 multiplies their
  /// rounding by 200.
  public func codeEntropy(_ latents: Variable, codes: Variable, temperature: Float) -> CodeEntropy {
    precondition(
      latents.shape.count == 2 && codes.shape.count == 2 && latents.shape[1] == codes.shape[1]
        && latents.shape[0] > 0 && temperature > 0,
      "codeEntropy: latents \(latents.shape), codes \(codes.shape), temperature \(temperature)")
    let scores = CodeScores(latents.value, codes.value, temperature, device)
    let (sample, mean) = scores.entropies()
    let logMean = device.tensor(mean.map { log(max($0, .leastNormalMagnitude)) }, [mean.count])
    let code = -mean.reduce(0.0) { $0 + ($1 > 0 ? Double($1) * log(Double($1)) : 0) }
    let needsGradient = isRecording && (latents.requiresGradient || codes.requiresGradient)
    let gradients = needsGradient ? scores.gradients(logMean: logMean) : nil
    return CodeEntropy(self, sample: sample, code: code, from: [latents, codes]) {
      [unowned self, latents = latents.slot, codes = codes.slot] dy in
      guard let gradients else { return }
      accumulate(device.scaled(gradients.latents, dy), into: latents)
      accumulate(device.scaled(gradients.codes, dy), into: codes)
    }
  }
}

/// The softmax of latents [n, d] over codes [K, d], a block of rows at a time.
///
/// The score of a code is (2 z e - |e|^2) / T: the negative squared distance over the temperature, without |z|^2, which is
/// the same for all codes.
private struct CodeScores {
  let latents, codes: Tensor
  let device: Device
  private let n, k, d: Int
  private let factor: Float
  private let bias: Tensor
  private let block: Tensor

  /// Largest number of probabilities in memory at a time, as of a cross-entropy's logits.
  private static let blockFloats = 8 << 20

  init(_ latents: Tensor, _ codes: Tensor, _ temperature: Float, _ device: Device) {
    (self.latents, self.codes, self.device) = (latents, codes, device)
    (n, k, d) = (latents.shape[0], codes.shape[0], codes.shape[1])
    factor = 2 / temperature
    bias = device.empty([k])
    for j in 0..<k {
      let row = codes.pointer + j * d
      bias.pointer[j] = -Float(tsr_dot(row, row, d)) / temperature
    }
    block = device.empty([min(n, max(64, Self.blockFloats / k)), k])
  }

  /// Mean entropy of a row, and the mean of the probabilities [K].
  func entropies() -> (sample: Double, mean: [Float]) {
    let sums = device.zeros([k])
    var entropies = [Double](repeating: 0, count: n)
    entropies.withUnsafeMutableBufferPointer { entropies in
      let entropies = entropies.baseAddress!
      forBlocks { first, count in
        forRows(count) { row, scores, probabilities in
          let logSum = tsr_softmax_row(probabilities, nil, 1, k, k)
          entropies[first + row] = Double(logSum) - tsr_dot(probabilities, scores, k)
          scores.update(from: probabilities, count: k)
        }
        tsr_column_sums(sums.pointer, block.pointer, count, k)
      }
    }
    return (entropies.reduce(0, +) / Double(n), sums.toArray().map { $0 / Float(n) })
  }

  /// The gradients of the loss. By a score it is p_j (u_j - sum p u) / n with u = log m - s: entropies of row and mean
  /// both have derivatives of the form log p + 1, and constants cancel in the softmax.
  func gradients(logMean: Tensor) -> (latents: Tensor, codes: Tensor) {
    let (dLatents, dCodes, sums) = (device.empty([n, d]), device.zeros([k, d]), device.zeros([k]))
    forBlocks { first, count in
      forRows(count) { _, scores, probabilities in
        _ = tsr_softmax_row(probabilities, nil, 1, k, k)
        tsr_scale(scores, -1, scores, k)
        tsr_axpy(scores, 1, logMean.pointer, k)
        tsr_softmax_backward_row(scores, probabilities, 1 / Float(n), k)
      }
      device.forRanges(count, grain: 16) { rows in
        multiplySerially(
          m: rows.count, n: d, k: k, alpha: factor,
          MatrixOperand(block.pointer + rows.lowerBound * k, stride: k),
          MatrixOperand(codes.pointer, stride: d),
          into: dLatents.pointer + (first + rows.lowerBound) * d, stride: d)
      }
      device.forRanges(k, grain: 16) { rows in
        multiplySerially(
          m: rows.count, n: d, k: count, alpha: factor,
          MatrixOperand(block.pointer + rows.lowerBound, stride: k, transposed: true),
          MatrixOperand(latents.pointer + first * d, stride: d), beta: 1,
          into: dCodes.pointer + rows.lowerBound * d, stride: d)
      }
      tsr_column_sums(sums.pointer, block.pointer, count, k)
    }
    for j in 0..<k {
      tsr_axpy(dCodes.pointer + j * d, -factor * sums.pointer[j], codes.pointer + j * d, d)
    }
    return (dLatents, dCodes)
  }

  /// Fills the block with the scores of some rows, then calls `body`.
  private func forBlocks(_ body: (_ first: Int, _ count: Int) -> Void) {
    for first in stride(from: 0, to: n, by: block.shape[0]) {
      let count = min(block.shape[0], n - first)
      device.forRanges(count, grain: 16) { rows in
        let scores = block.pointer + rows.lowerBound * k
        multiplySerially(
          m: rows.count, n: k, k: d, alpha: factor,
          MatrixOperand(latents.pointer + (first + rows.lowerBound) * d, stride: d),
          MatrixOperand(codes.pointer, stride: d, transposed: true), into: scores, stride: k)
        tsr_add_bias(scores, bias.pointer, rows.count, k)
      }
      body(first, count)
    }
  }

  /// Gives each row of the block, and memory that holds a copy of it.
  private func forRows(
    _ count: Int, _ body: (Int, UnsafeMutablePointer<Float>, UnsafeMutablePointer<Float>) -> Void
  ) {
    device.forRanges(count) { rows in
      let copy = UnsafeMutablePointer<Float>.allocate(capacity: k)
      defer { copy.deallocate() }
      for row in rows {
        copy.update(from: block.pointer + row * k, count: k)
        body(row, block.pointer + row * k, copy)
      }
    }
  }
}
