import CKernels
import TensorCore

/// What a cross-entropy adds up: label smoothing, and IAR's cluster term (IAR 3.3): the cross-entropy of
/// the target's cluster, whose probability is the sum over its codes.
public struct CrossEntropyOptions: Sendable, Equatable {
  /// Weight of the uniform distribution in the target, 0 ..< 1.
  public var labelSmoothing: Float
  /// Codes in a cluster; code y belongs to cluster y / size. 0 turns the cluster term off.
  public var clusterSize: Int
  /// lambda, the weight of the cluster loss.
  public var clusterWeight: Float

  /// Plain cross-entropy unless options are given.
  public init(labelSmoothing: Float = 0, clusterSize: Int = 0, clusterWeight: Float = 1) {
    self.labelSmoothing = labelSmoothing
    self.clusterSize = clusterSize
    self.clusterWeight = clusterWeight
  }

  func check(vocabulary: Int) {
    precondition(
      clusterSize == 0 || vocabulary % clusterSize == 0,
      "crossEntropy: \(vocabulary) codes do not divide into clusters of \(clusterSize)")
  }
}

/// A loss and the means it is made of, in nats a token.
public struct CrossEntropyResult {
  /// token + clusterWeight * cluster, a scalar to run backward from.
  public let loss: Variable
  /// Mean token cross-entropy.
  public let tokenLoss: Double
  /// Mean cluster cross-entropy; 0 where the term is off.
  public let clusterLoss: Double
}

/// Runs the kernel over rows of logits: adds up the losses and, where asked, writes gradients.
func crossEntropyRows(
  _ device: Device, logits: UnsafePointer<Float>, gradient: UnsafeMutablePointer<Float>?, vocabulary: Int,
  targets: ArraySlice<Int>, scale: Float, _ options: CrossEntropyOptions
) -> (token: Double, cluster: Double) {
  let losses = device.empty([targets.count, 2])
  device.forRanges(targets.count) { range in
    for row in range {
      tsr_cross_entropy_row(
        losses.pointer + 2 * row, gradient.map { $0 + row * vocabulary }, logits + row * vocabulary,
        vocabulary,
        targets[targets.startIndex + row], options.labelSmoothing, options.clusterSize, options.clusterWeight,
        scale)
    }
  }
  var sums = (token: 0.0, cluster: 0.0)
  for row in 0..<targets.count {
    sums.token += Double(losses.pointer[2 * row])
    sums.cluster += Double(losses.pointer[2 * row + 1])
  }
  return sums
}

extension Tape {
  /// Mean cross-entropy of logits [..., V] against one target a row, with the cluster term.
  public func crossEntropy(
    _ logits: Variable, targets: [Int], _ options: CrossEntropyOptions = CrossEntropyOptions()
  ) -> CrossEntropyResult {
    let v = logits.value.lastDimension
    options.check(vocabulary: v)
    precondition(
      logits.value.rowCount == targets.count && targets.allSatisfy { (0..<v).contains($0) },
      "crossEntropy: logits \(logits.shape), \(targets.count) targets")
    let gradient = isRecording && logits.requiresGradient ? device.empty(logits.shape) : nil
    let sums = crossEntropyRows(
      device, logits: logits.value.pointer, gradient: gradient?.pointer, vocabulary: v, targets: targets[...],
      scale: 1 / Float(targets.count), options)
    return result(sums, count: targets.count, options, from: [logits]) { [unowned self] dy in
      guard let gradient else { return }
      accumulate(dy == 1 ? gradient : device.scaled(gradient, dy), into: logits)
    }
  }

  /// The same loss straight from the last hidden states [..., C] and the output weight [V, C]. The logits
  /// exist for a block of rows at a time, and their gradient is used up before the next block is made.
  public func linearCrossEntropy(
    _ hidden: Variable, weight: Variable, targets: [Int],
    _ options: CrossEntropyOptions = CrossEntropyOptions()
  ) -> CrossEntropyResult {
    let (v, c) = (weight.shape[0], weight.shape[1])
    options.check(vocabulary: v)
    let rows = targets.count
    precondition(
      hidden.value.lastDimension == c && hidden.value.rowCount == rows
        && targets.allSatisfy { (0..<v).contains($0) },
      "linearCrossEntropy: hidden \(hidden.shape), weight \(weight.shape), \(rows) targets")
    let needsGradient = isRecording && (hidden.requiresGradient || weight.requiresGradient)
    let dHidden = needsGradient ? device.empty(hidden.shape) : nil
    let dWeight = needsGradient ? device.empty(weight.shape) : nil
    let blockRows = min(rows, max(64, Self.logitFloats / v))
    let logits = device.empty([blockRows, v])
    let output = device.prepared(MatrixOperand(weight.value.pointer, stride: c), rows: v, columns: c)
    var sums = (token: 0.0, cluster: 0.0)
    for first in stride(from: 0, to: rows, by: blockRows) {
      let count = min(blockRows, rows - first)
      let input = device.prepared(
        MatrixOperand(hidden.value.pointer + first * c, stride: c), rows: count, columns: c)
      device.multiply(m: count, n: v, k: c, input, output.asTransposed, into: logits.pointer, stride: v)
      let part = crossEntropyRows(
        device, logits: logits.pointer, gradient: needsGradient ? logits.pointer : nil, vocabulary: v,
        targets: targets[first..<first + count], scale: 1 / Float(rows), options)
      sums = (sums.token + part.token, sums.cluster + part.cluster)
      guard let dHidden, let dWeight else { continue }
      let d = device.prepared(MatrixOperand(logits.pointer, stride: v), rows: count, columns: v)
      device.multiply(m: count, n: c, k: v, d, output, into: dHidden.pointer + first * c, stride: c)
      device.multiply(
        m: v, n: c, k: count, d.asTransposed, input, beta: first == 0 ? 0 : 1, into: dWeight.pointer,
        stride: c)
    }
    return result(sums, count: rows, options, from: [hidden, weight]) { [unowned self] dy in
      guard let dHidden, let dWeight else { return }
      accumulate(dy == 1 ? dHidden : device.scaled(dHidden, dy), into: hidden)
      accumulate(dy == 1 ? dWeight : device.scaled(dWeight, dy), into: weight)
    }
  }

  /// Logits held at a time: 32 MB, about what a level-3 cache keeps.
  private static let logitFloats = 8 << 20

  /// The variable and the means of an op that has computed its gradients forward; `backward` gets their factor.
  func result(
    _ sums: (token: Double, cluster: Double), count: Int, _ options: CrossEntropyOptions,
    from inputs: [Variable], backward: @escaping (Float) -> Void
  ) -> CrossEntropyResult {
    let (token, cluster) = (sums.token / Double(count), sums.cluster / Double(count))
    let total = options.clusterSize > 0 ? token + Double(options.clusterWeight) * cluster : token
    let loss = record(device.full([], Float(total)), from: inputs) { backward($0.scalar) }
    return CrossEntropyResult(loss: loss, tokenLoss: token, clusterLoss: cluster)
  }
}
