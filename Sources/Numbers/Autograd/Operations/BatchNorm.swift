import CKernels
import TensorCore

/// Mean and variance of each channel over a batch.
public struct BatchStatistics: Sendable, Equatable {
  /// [C]
  public var mean: [Float]
  /// [C]; over n - 1 where it is that of a batch.
  public var variance: [Float]

  /// Statistics of C channels.
  public init(mean: [Float], variance: [Float]) { (self.mean, self.variance) = (mean, variance) }
}

extension Tape {
  /// Batch normalisation of x [B, H, W, C] in training: each channel by its mean and variance over the batch (over n),
  /// then times weight [C] plus bias [C]. Gradients pass through the statistics.
  /// - Returns: also the statistics, for a running mean.
  public func batchNorm(
    _ x: Variable, weight: Variable, bias: Variable, epsilon: Double
  ) -> (output: Variable, statistics: BatchStatistics) {
    let (rows, c) = (x.value.rowCount, x.value.lastDimension)
    precondition(rows > 1, "batchNorm: x \(x.shape) has one value a channel, which has no variance")
    // A batch is one image whose groups are single channels.
    let kernel = GroupNormKernel(
      device, x: x.value.reshaped([1, rows, 1, c]), weight: weight.value, bias: bias.value, groups: c,
      epsilon: epsilon, silu: false)
    let n = Double(rows)
    let statistics = BatchStatistics(
      mean: kernel.statistics.mean.map { Float($0) },
      variance: kernel.statistics.inverse.map { Float(max(1 / ($0 * $0) - epsilon, 0) * n / (n - 1)) })
    let y = kernel.output(device).reshaped(x.shape)
    let output = record(y, from: [x, weight, bias]) {
      [unowned self, x = x.slot, scale = weight.value, weight = weight.slot, bias = bias.slot] dy in
      let dx = kernel.backward(
        device, dy, weight: scale, weightGradient: additionTarget(for: weight),
        biasGradient: additionTarget(for: bias))
      accumulate(dx, into: x)
    }
    return (output, statistics)
  }

  /// Batch normalisation of x [B, H, W, C] by given statistics, as in evaluation; on a tape that does not record.
  public func batchNorm(
    _ x: Variable, weight: Variable, bias: Variable, epsilon: Double, by statistics: BatchStatistics
  ) -> Variable {
    let c = x.value.lastDimension
    precondition(!isRecording && statistics.mean.count == c, "batchNorm: x \(x.shape), given statistics")
    let (scale, shift) = (device.empty([c]), device.empty([c]))
    for i in 0..<c {
      let factor = Double(weight.value.pointer[i]) / (Double(statistics.variance[i]) + epsilon).squareRoot()
      scale.pointer[i] = Float(factor)
      shift.pointer[i] = Float(Double(bias.value.pointer[i]) - Double(statistics.mean[i]) * factor)
    }
    let y = device.empty(x.shape)
    device.forRanges(x.value.rowCount, grain: 64) {
      let first = $0.lowerBound * c
      tsr_scale_shift(
        y.pointer + first, x.value.pointer + first, scale.pointer, shift.pointer, false, $0.count, c)
    }
    return Variable(y)
  }
}
