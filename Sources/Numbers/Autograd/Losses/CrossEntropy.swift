import CKernels
import TensorCore

/// A loss of one row of logits against one target, which a cross-entropy averages over rows. The plain one is
/// ``TokenLoss``; IAR's adds the cross-entropy of the target's cluster.
public protocol RowLoss: Sendable {
  /// Name and weight of a second term that is added to the token cross-entropy; nil for none.
  var additionalTerm: (name: String, weight: Float)? { get }
  /// - Precondition: the loss is defined for so many codes.
  func check(vocabulary: Int)
  /// Computes one row.
  /// - Parameters:
  ///   - losses: receives the token cross-entropy and the second term, unweighted, in nats.
  ///   - gradient: receives `scale` times the gradient [V] of the weighted sum; may be `logits` itself; nil for none.
  ///   - logits: [V].
  func computeRow(
    _ losses: UnsafeMutablePointer<Float>, gradient: UnsafeMutablePointer<Float>?,
    logits: UnsafePointer<Float>,
    vocabulary: Int, target: Int, scale: Float)
}

/// The cross-entropy of the target.
public struct TokenLoss: RowLoss, Equatable {
  /// Weight of the uniform distribution in the target, 0 ..< 1.
  public var labelSmoothing: Float

  public init(labelSmoothing: Float = 0) { self.labelSmoothing = labelSmoothing }

  public var additionalTerm: (name: String, weight: Float)? { nil }

  public func check(vocabulary: Int) {}

  public func computeRow(
    _ losses: UnsafeMutablePointer<Float>, gradient: UnsafeMutablePointer<Float>?,
    logits: UnsafePointer<Float>,
    vocabulary: Int, target: Int, scale: Float
  ) {
    tsr_cross_entropy_row(losses, gradient, logits, vocabulary, target, labelSmoothing, 0, 0, scale)
  }
}

/// A loss and its terms, in nats per token.
public struct CrossEntropyResult {
  /// Token cross-entropy plus the weighted second term, a scalar to run backward from.
  public let loss: Variable
  /// Mean token cross-entropy.
  public let tokenLoss: Double
  /// Mean of the second term, unweighted; 0 where the loss has none.
  public let additionalLoss: Double
}

/// Runs the kernel over rows of logits: adds up the losses and, where asked, writes gradients.
func crossEntropyRows(
  _ device: Device, logits: UnsafePointer<Float>, gradient: UnsafeMutablePointer<Float>?, vocabulary: Int,
  targets: ArraySlice<Int>, scale: Float, _ loss: any RowLoss
) -> (token: Double, additional: Double) {
  let losses = device.empty([targets.count, 2])
  device.forRanges(targets.count) { range in
    for row in range {
      loss.computeRow(
        losses.pointer + 2 * row, gradient: gradient.map { $0 + row * vocabulary },
        logits: logits + row * vocabulary, vocabulary: vocabulary, target: targets[targets.startIndex + row],
        scale: scale)
    }
  }
  var sums = (token: 0.0, additional: 0.0)
  for row in 0..<targets.count {
    sums.token += Double(losses.pointer[2 * row])
    sums.additional += Double(losses.pointer[2 * row + 1])
  }
  return sums
}

extension Tape {
  /// Mean cross-entropy of logits [..., V] against one target per row.
  public func crossEntropy(
    _ logits: Variable, targets: [Int], _ loss: any RowLoss = TokenLoss()
  ) -> CrossEntropyResult {
    let v = logits.value.lastDimension
    loss.check(vocabulary: v)
    precondition(
      logits.value.rowCount == targets.count && targets.allSatisfy { (0..<v).contains($0) },
      "crossEntropy: logits \(logits.shape), \(targets.count) targets")
    let gradient = isRecording && logits.requiresGradient ? device.empty(logits.shape) : nil
    let sums = crossEntropyRows(
      device, logits: logits.value.pointer, gradient: gradient?.pointer, vocabulary: v, targets: targets[...],
      scale: 1 / Float(targets.count), loss)
    return result(sums, count: targets.count, loss, from: [logits]) {
      [unowned self, logits = logits.slot] dy in
      guard let gradient else { return }
      accumulate(dy == 1 ? gradient : device.scaled(gradient, dy), into: logits)
    }
  }

  /// The same loss straight from the last hidden states [..., C], the output weight [V, C] and its bias [V]. The logits
  /// exist for a block of rows at a time, and their gradient is used before the next block is computed.
  public func linearCrossEntropy(
    _ hidden: Variable, weight: Variable, bias: Variable? = nil, targets: [Int],
    _ loss: any RowLoss = TokenLoss()
  ) -> CrossEntropyResult {
    let (v, c) = (weight.shape[0], weight.shape[1])
    loss.check(vocabulary: v)
    let rows = targets.count
    precondition(
      hidden.value.lastDimension == c && hidden.value.rowCount == rows
        && targets.allSatisfy { (0..<v).contains($0) },
      "linearCrossEntropy: hidden \(hidden.shape), weight \(weight.shape), \(rows) targets")
    let needsGradient = isRecording && (hidden.requiresGradient || weight.requiresGradient)
    let dHidden = needsGradient ? device.empty(hidden.shape) : nil
    let dWeight = needsGradient ? device.empty(weight.shape) : nil
    let dBias = bias.flatMap { needsGradient ? device.zeros($0.shape) : nil }
    let blockRows = min(rows, max(64, Self.logitFloats / v))
    let logits = device.empty([blockRows, v])
    let output = device.prepared(MatrixOperand(weight.value.pointer, stride: c), rows: v, columns: c)
    var sums = (token: 0.0, additional: 0.0)
    for first in stride(from: 0, to: rows, by: blockRows) {
      let count = min(blockRows, rows - first)
      let input = device.prepared(
        MatrixOperand(hidden.value.pointer + first * c, stride: c), rows: count, columns: c)
      device.multiply(m: count, n: v, k: c, input, output.asTransposed, into: logits.pointer, stride: v)
      if let bias {
        device.forRanges(count) {
          tsr_add_bias(logits.pointer + $0.lowerBound * v, bias.value.pointer, $0.count, v)
        }
      }
      let part = crossEntropyRows(
        device, logits: logits.pointer, gradient: needsGradient ? logits.pointer : nil, vocabulary: v,
        targets: targets[first..<first + count], scale: 1 / Float(rows), loss)
      sums = (sums.token + part.token, sums.additional + part.additional)
      guard let dHidden, let dWeight else { continue }
      if let dBias { tsr_column_sums(dBias.pointer, logits.pointer, count, v) }
      let d = device.prepared(MatrixOperand(logits.pointer, stride: v), rows: count, columns: v)
      device.multiply(m: count, n: c, k: v, d, output, into: dHidden.pointer + first * c, stride: c)
      device.multiply(
        m: v, n: c, k: count, d.asTransposed, input, beta: first == 0 ? 0 : 1, into: dWeight.pointer,
        stride: c)
    }
    return result(sums, count: rows, loss, from: [hidden, weight] + (bias.map { [$0] } ?? [])) {
      [unowned self, hidden = hidden.slot, weight = weight.slot, bias = bias?.slot] dy in
      guard let dHidden, let dWeight else { return }
      if let bias, let dBias { accumulate(dy == 1 ? dBias : device.scaled(dBias, dy), into: bias) }
      accumulate(dy == 1 ? dHidden : device.scaled(dHidden, dy), into: hidden)
      accumulate(dy == 1 ? dWeight : device.scaled(dWeight, dy), into: weight)
    }
  }

  /// Largest number of logits in memory at a time: 32 MB, about the size of a level-3 cache.
  private static let logitFloats = 8 << 20

  /// The variable and the means of an op that has computed its gradients forward; `backward` gets their factor.
  public func result(
    _ sums: (token: Double, additional: Double), count: Int, _ loss: any RowLoss, from inputs: [Variable],
    backward: @escaping (Float) -> Void
  ) -> CrossEntropyResult {
    let (token, additional) = (sums.token / Double(count), sums.additional / Double(count))
    let total = token + (loss.additionalTerm.map { Double($0.weight) * additional } ?? 0)
    let variable = record(device.full([], Float(total)), from: inputs) { backward($0.scalar) }
    return CrossEntropyResult(loss: variable, tokenLoss: token, additionalLoss: additional)
  }
}
