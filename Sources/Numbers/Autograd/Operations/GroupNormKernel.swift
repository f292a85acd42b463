import CKernels
import TensorCore

/// The loops of group normalisation over channels-last images: sums per channel, then per group.
struct GroupNormKernel {
  private let x: Tensor
  private let groups: Int
  private let epsilon: Double
  private let silu: Bool
  /// Mean and 1 / standard deviation of each image's groups.
  private(set) var statistics: (mean: [Double], inverse: [Double]) = ([], [])
  /// y = x scale + shift, per image and channel [B, C].
  private var affine: (scale: Tensor, shift: Tensor)

  init(
    _ device: Device, x: Tensor, weight: Tensor, bias: Tensor, groups: Int, epsilon: Double, silu: Bool
  ) {
    let c = x.lastDimension
    precondition(
      c % groups == 0 && weight.shape == [c] && bias.shape == [c],
      "groupNorm: x \(x.shape), weight \(weight.shape), \(groups) groups")
    (self.x, self.groups, self.epsilon, self.silu) = (x, groups, epsilon, silu)
    affine = (device.empty([x.shape[0], c]), device.empty([x.shape[0], c]))
    statistics = makeStatistics(device)
    setAffine(weight, bias)
  }

  private var batch: Int { x.shape[0] }
  private var channels: Int { x.lastDimension }
  private var area: Int { x.rowCount / batch }
  private var groupSize: Int { channels / groups }

  /// Rows of an image that are handled together. The cut does not depend on the number of threads, so
  /// neither do the sums.
  private var chunkRows: Int { max(1, min(area, 1024)) }
  private var chunks: Int { (area + chunkRows - 1) / chunkRows }

  /// Calls `body(image, rows, chunk)`, rows counted from the first row of the tensor.
  private func forEachRowRange(_ device: Device, _ body: (Int, Range<Int>, Int) -> Void) {
    device.forRanges(batch * chunks) { units in
      for unit in units {
        let (image, chunk) = (unit / chunks, unit % chunks)
        let first = image * area + chunk * chunkRows
        body(image, first..<min(first + chunkRows, (image + 1) * area), unit)
      }
    }
  }

  /// The normalised x.
  func output(_ device: Device) -> Tensor {
    let (y, c) = (device.empty(x.shape), channels)
    forEachRowRange(device) { image, rows, _ in
      tsr_scale_shift(
        y.pointer + rows.lowerBound * c, x.pointer + rows.lowerBound * c, affine.scale.pointer + image * c,
        affine.shift.pointer + image * c, silu, rows.count, c)
    }
    return y
  }

  /// The normalised x, rounded as it is made.
  func roundedOutput(_ device: Device) -> BFloat16Tensor {
    let (y, c) = (device.emptyBFloat16(x.shape), channels)
    forEachRowRange(device) { image, rows, _ in
      tsr_scale_shift_bfloat16(
        y.pointer + rows.lowerBound * c, x.pointer + rows.lowerBound * c, affine.scale.pointer + image * c,
        affine.shift.pointer + image * c, silu, rows.count, c)
    }
    return y
  }

  private func makeStatistics(_ device: Device) -> (mean: [Double], inverse: [Double]) {
    let c = channels
    let sums = chunkSums(device) { rows, image, sum, square in
      // Deviations from the image's first pixel: squares of these do not cancel when the mean is large.
      tsr_channel_moments(
        sum, square, x.pointer + rows.lowerBound * c, x.pointer + image * area * c, rows.count, c)
    }
    var mean = [Double](repeating: 0, count: batch * groups)
    var inverse = mean
    let n = Double(area * groupSize)
    for image in 0..<batch {
      for group in 0..<groups {
        let members = group * groupSize..<(group + 1) * groupSize
        var (total, square) = (0.0, 0.0)
        for i in members {
          let pivot = Double(x.pointer[image * area * c + i])
          let (s, q) = (sums.first[image * c + i], sums.second[image * c + i])
          total += s + pivot * Double(area)
          square += q + 2 * pivot * s + pivot * pivot * Double(area)
        }
        let m = total / n
        mean[image * groups + group] = m
        inverse[image * groups + group] = 1 / (max(square / n - m * m, 0) + epsilon).squareRoot()
      }
    }
    return (mean, inverse)
  }

  private func setAffine(_ weight: Tensor, _ bias: Tensor) {
    for i in 0..<batch * channels {
      let (image, channel) = (i / channels, i % channels)
      let group = image * groups + channel / groupSize
      let factor = statistics.inverse[group] * Double(weight.pointer[channel])
      affine.scale.pointer[i] = Float(factor)
      affine.shift.pointer[i] = Float(Double(bias.pointer[channel]) - statistics.mean[group] * factor)
    }
  }

  /// With u the normalised input: d weight = sum du u, d bias = sum du, and
  /// dx = (du w - mean(du w) - u mean(du w u)) / deviation, means over the group.
  func backward(
    _ device: Device, _ dy: Tensor, weight: Tensor, weightGradient: Tensor, biasGradient: Tensor
  ) -> Tensor {
    let c = channels
    let du = device.empty(x.shape)
    let sums = chunkSums(device) { rows, image, sumU, sumUX in
      let first = rows.lowerBound * c
      tsr_scale_shift_backward(
        du.pointer + first, sumU, sumUX, dy.pointer + first, x.pointer + first,
        affine.scale.pointer + image * c, affine.shift.pointer + image * c, silu, rows.count, c)
    }
    let (onX, constant) = (device.empty([batch, c]), device.empty([batch, c]))
    let n = Double(area * groupSize)
    for image in 0..<batch {
      for group in 0..<groups {
        let (mean, inverse) = (
          statistics.mean[image * groups + group], statistics.inverse[image * groups + group]
        )
        var (meanU, meanUX) = (0.0, 0.0)
        for i in group * groupSize..<(group + 1) * groupSize {
          let (s, sx) = (sums.first[image * c + i], sums.second[image * c + i])
          let normalized = (sx - mean * s) * inverse
          biasGradient.pointer[i] += Float(s)
          weightGradient.pointer[i] += Float(normalized)
          meanU += s * Double(weight.pointer[i]) / n
          meanUX += normalized * Double(weight.pointer[i]) / n
        }
        for i in group * groupSize..<(group + 1) * groupSize {
          onX.pointer[image * c + i] = Float(-inverse * inverse * meanUX)
          constant.pointer[image * c + i] = Float(inverse * (mean * inverse * meanUX - meanU))
        }
      }
    }
    forEachRowRange(device) { image, rows, _ in
      let first = du.pointer + rows.lowerBound * c
      tsr_affine_pair(
        first, first, x.pointer + rows.lowerBound * c, affine.scale.pointer + image * c,
        onX.pointer + image * c, constant.pointer + image * c, rows.count, c)
    }
    return du
  }

  /// Two sums per image and channel, each chunk's added up in order.
  private func chunkSums(
    _ device: Device,
    _ body: (Range<Int>, Int, UnsafeMutablePointer<Double>, UnsafeMutablePointer<Double>) -> Void
  ) -> (first: [Double], second: [Double]) {
    let c = channels
    var partial = [Double](repeating: 0, count: batch * chunks * 2 * c)
    partial.withUnsafeMutableBufferPointer { buffer in
      let base = buffer.baseAddress!
      forEachRowRange(device) { image, rows, unit in
        body(rows, image, base + unit * 2 * c, base + (unit * 2 + 1) * c)
      }
    }
    var first = [Double](repeating: 0, count: batch * c)
    var second = first
    for unit in 0..<batch * chunks {
      for i in 0..<c {
        first[unit / chunks * c + i] += partial[unit * 2 * c + i]
        second[unit / chunks * c + i] += partial[(unit * 2 + 1) * c + i]
      }
    }
    return (first, second)
  }
}
