import Glibc
import TensorCore

extension Tape {
  /// The entropy terms of lookup-free quantization (MAGVIT-v2), whose codes are all vectors of d signs: what
  /// ``codeEntropy(_:codes:temperature:)`` gives for these 2^d codes, for latents [n, d].
  ///
  /// Given a latent, the signs are independent: p(+1) = sigmoid(4 x / T). So the entropy of a latent is a sum over
  /// dimensions. The mean over latents is not a product any more; it is the matrix product of the probabilities of
  /// the first half of the signs with those of the second one, so that no [n, 2^d] is ever made.
  public func signEntropy(_ latents: Variable, temperature: Float) -> CodeEntropy {
    precondition(
      latents.shape.count == 2 && latents.shape[0] > 0 && (1...24).contains(latents.shape[1])
        && temperature > 0,
      "signEntropy: latents \(latents.shape), temperature \(temperature)")
    let signs = SignProbabilities(latents.value, temperature, device)
    let mean = signs.mean()
    let code = -mean.buffer.reduce(0.0) { $0 + ($1 > 0 ? Double($1) * log(Double($1)) : 0) }
    let gradient =
      isRecording && latents.requiresGradient ? signs.gradient(mean: mean, temperature: temperature) : nil
    return CodeEntropy(self, sample: signs.entropy(), code: code, from: [latents]) {
      [unowned self, latents = latents.slot] dy in
      guard let gradient else { return }
      accumulate(device.scaled(gradient, dy), into: latents)
    }
  }
}

/// The probabilities of signs, given latents [n, d].
private struct SignProbabilities {
  private let device: Device
  private let n, d: Int
  /// 4 x / T, [n, d].
  private let logits: Tensor
  /// Dimensions of each half.
  private let halves: [Range<Int>]
  /// Probabilities of the signs of each half, [n, 2^(dimensions)]; the first dimension is the lowest bit.
  private let tables: [Tensor]

  init(_ latents: Tensor, _ temperature: Float, _ device: Device) {
    self.device = device
    (n, d) = (latents.shape[0], latents.shape[1])
    logits = device.scaled(latents, 4 / temperature)
    halves = [0..<d / 2, d / 2..<d]
    tables = halves.map { [logits, n, d] half in
      let size = 1 << half.count
      let table = device.empty([n, size])
      device.forRanges(n) { rows in
        for row in rows {
          let p = table.pointer + row * size
          p[0] = 1
          for (bit, k) in half.enumerated() {
            let logit = logits.pointer[row * d + k]
            let (plus, minus) = (sigmoid(logit), sigmoid(-logit))
            for i in 0..<1 << bit {
              p[i + (1 << bit)] = p[i] * plus
              p[i] *= minus
            }
          }
        }
      }
      return table
    }
  }

  /// Mean over latents of the sum of the entropies of the signs.
  func entropy() -> Double {
    let total = logits.buffer.reduce(0.0) {
      let x = abs(Double($1))
      return $0 + log1p(exp(-x)) + x / (1 + exp(x))
    }
    return total / Double(n)
  }

  /// Mean probability of each code, [2^(first half), 2^(second half)].
  func mean() -> Tensor {
    let (a, b) = (tables[0], tables[1])
    let y = device.empty([a.shape[1], b.shape[1]])
    device.forRanges(a.shape[1], grain: 16) { rows in
      multiplySerially(
        m: rows.count, n: b.shape[1], k: n, alpha: 1 / Float(n),
        MatrixOperand(a.pointer + rows.lowerBound, stride: a.shape[1], transposed: true),
        MatrixOperand(b.pointer, stride: b.shape[1]), into: y.pointer + rows.lowerBound * b.shape[1],
        stride: b.shape[1])
    }
    return y
  }

  /// The gradient of the loss by the latents.
  func gradient(mean: Tensor, temperature: Float) -> Tensor {
    let logMean = device.empty(mean.shape)
    for i in 0..<mean.count { logMean.pointer[i] = log(max(mean.pointer[i], .leastNormalMagnitude)) }
    let dx = device.empty([n, d])
    let scale = 4 / Double(temperature) / Double(n)
    for (place, half) in halves.enumerated() {
      let weights = byTable(place, logMean)
      let (table, size) = (tables[place], 1 << half.count)
      device.forRanges(n) { rows in
        for row in rows {
          let (p, w) = (table.pointer + row * size, weights.pointer + row * size)
          for (bit, k) in half.enumerated() {
            let logit = logits.pointer[row * d + k]
            let plus = Double(sigmoid(logit))
            var slope = -Double(logit) * plus * Double(sigmoid(-logit))
            for i in 0..<size {
              slope += Double(w[i]) * Double(p[i]) * (Double(i >> bit & 1) - plus)
            }
            dx.pointer[row * d + k] = Float(slope * scale)
          }
        }
      }
    }
    return dx
  }

  /// n times the derivative of sum m log m by the probabilities of one half, but for constants, [n, 2^(dimensions)].
  private func byTable(_ place: Int, _ logMean: Tensor) -> Tensor {
    let (other, columns) = (tables[1 - place], logMean.shape[1])
    let (width, size) = (other.shape[1], tables[place].shape[1])
    let y = device.empty([n, size])
    device.forRanges(n, grain: 16) { rows in
      multiplySerially(
        m: rows.count, n: size, k: width,
        MatrixOperand(other.pointer + rows.lowerBound * width, stride: width),
        MatrixOperand(logMean.pointer, stride: columns, transposed: place == 0),
        into: y.pointer + rows.lowerBound * size, stride: size)
    }
    return y
  }
}

private func sigmoid(_ x: Float) -> Float { 1 / (1 + exp(-x)) }
