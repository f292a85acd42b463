import Autograd
import CKernels
import Codebooks
import TensorCore

extension Tape {
  /// Mean cross-entropy of targets among the codes of their own clusters only (CTF's stage 2, where the
  /// cluster is given), straight from hidden states [..., C] and the output weight [K, C]. Rows are taken
  /// cluster by cluster and multiplied with the cluster's codes, so that no other logit is computed.
  /// - Parameters:
  ///   - targets: a code for each row.
  ///   - clusters: the K codes by cluster.
  ///   - loss: of a row of logits over the cluster's codes, without a second term.
  public func withinClusterCrossEntropy(
    _ hidden: Variable, weight: Variable, targets: [Int], clusters: GroupedItems,
    loss: any RowLoss = TokenLoss()
  ) -> CrossEntropyResult {
    let (k, c) = (weight.shape[0], weight.shape[1])
    precondition(
      hidden.value.lastDimension == c && hidden.value.rowCount == targets.count && clusters.items.count == k
        && targets.allSatisfy { (0..<k).contains($0) },
      "withinClusterCrossEntropy: hidden \(hidden.shape), weight \(weight.shape), \(targets.count) targets, "
        + "\(clusters.items.count) codes in clusters")
    let rows = GroupedItems(targets.map { clusters.labels[$0] }, count: clusters.count)
    let ranks = clusters.ranks
    let pass = ClusterPass(
      device: device, rows: rows, codes: clusters, targets: rows.items.map { ranks[targets[$0]] },
      hidden: device.gathered(hidden.value, rows.items),
      weight: device.gathered(weight.value, clusters.items),
      needsGradient: isRecording && (hidden.requiresGradient || weight.requiresGradient),
      loss: loss)
    let sum = pass.run()
    return result((sum, 0), count: targets.count, loss, from: [hidden, weight]) {
      [
        unowned self, hidden = hidden.slot, weight = weight.slot, dHidden = pass.dHidden,
        dWeight = pass.dWeight,
        order = rows.items, codes = clusters.items
      ] dy in
      guard let dHidden, let dWeight else { return }
      accumulate(device.scattered(dHidden, order, scale: dy, hidden.shape), into: hidden)
      accumulate(device.scattered(dWeight, codes, scale: dy, weight.shape), into: weight)
    }
  }
}

/// Losses and gradients with rows and codes in the order of their clusters, so that each cluster is one block of both.
private struct ClusterPass {
  let device: Device
  let rows: GroupedItems
  let codes: GroupedItems
  /// The rank of each row's target in its cluster.
  let targets: [Int]
  let hidden: Tensor
  let weight: Tensor
  let loss: any RowLoss
  let dHidden: Tensor?
  let dWeight: Tensor?
  private let losses: Tensor
  private let logits: Tensor
  private var width: Int { weight.shape[1] }

  /// A cluster with up to this many logits is computed by one thread, a larger one by all threads.
  private static let small = 1 << 16
  /// Largest number of logits in memory at a time, if all threads work together.
  private static let large = 8 << 20

  init(
    device: Device, rows: GroupedItems, codes: GroupedItems, targets: [Int], hidden: Tensor, weight: Tensor,
    needsGradient: Bool, loss: any RowLoss
  ) {
    (self.device, self.rows, self.codes, self.targets) = (device, rows, codes, targets)
    (self.hidden, self.weight, self.loss) = (hidden, weight, loss)
    dHidden = needsGradient ? device.empty(hidden.shape) : nil
    // Clusters without rows have no gradient.
    dWeight = needsGradient ? device.zeros(weight.shape) : nil
    losses = device.empty([targets.count, 2])
    logits = device.empty([device.threads.count, Self.small])
  }

  /// The sum of the rows' losses.
  func run() -> Double {
    let present = (0..<rows.count).filter { !rows[$0].isEmpty }
    let isSmall = { rows[$0].count * codes[$0].count <= Self.small }
    let small = present.filter(isSmall)
    device.threads.forRanges(small.count) { range, thread in
      for index in range {
        block(
          rows.places(of: small[index]), codes.places(of: small[index]), isFirst: true,
          logits.pointer + thread * Self.small, on: nil)
      }
    }
    for cluster in present where !isSmall(cluster) { runTogether(cluster) }
    return targets.indices.reduce(0) { $0 + Double(losses.pointer[2 * $1]) }
  }

  private func runTogether(_ cluster: Int) {
    let (all, codes) = (rows.places(of: cluster), codes.places(of: cluster))
    let height = min(all.count, max(64, Self.large / codes.count))
    let logits = device.empty([height, codes.count])
    for first in stride(from: all.lowerBound, to: all.upperBound, by: height) {
      block(
        first..<min(first + height, all.upperBound), codes, isFirst: first == all.lowerBound, logits.pointer,
        on: device)
    }
  }

  /// Forward and backward of some rows of one cluster: logits, losses, and then the gradient of the logits in
  /// the same memory, which is used at once.
  private func block(
    _ rows: Range<Int>, _ codes: Range<Int>, isFirst: Bool, _ logits: UnsafeMutablePointer<Float>,
    on device: Device?
  ) {
    let (m, n, c) = (rows.count, codes.count, width)
    let (x, w) = (rows.lowerBound * c, codes.lowerBound * c)
    let input = MatrixOperand(hidden.pointer + x, stride: c)
    let output = MatrixOperand(weight.pointer + w, stride: c)
    multiply(on: device, m: m, n: n, k: c, input, output.asTransposed, into: logits, stride: n)
    let losses = { (range: Range<Int>) in
      for row in range {
        loss.computeRow(
          self.losses.pointer + 2 * (rows.lowerBound + row),
          gradient: dHidden == nil ? nil : logits + row * n,
          logits: logits + row * n, vocabulary: n, target: targets[rows.lowerBound + row],
          scale: 1 / Float(targets.count))
      }
    }
    if let device { device.forRanges(m, losses) } else { losses(0..<m) }
    guard let dHidden, let dWeight else { return }
    let d = MatrixOperand(logits, stride: n)
    multiply(on: device, m: m, n: c, k: n, d, output, into: dHidden.pointer + x, stride: c)
    multiply(
      on: device, m: n, n: c, k: m, d.asTransposed, input, beta: isFirst ? 0 : 1, into: dWeight.pointer + w,
      stride: c)
  }

  /// Runs on the calling thread if there is no device.
  private func multiply(
    on device: Device?, m: Int, n: Int, k: Int, _ a: MatrixOperand, _ b: MatrixOperand, beta: Float = 0,
    into c: UnsafeMutablePointer<Float>, stride: Int
  ) {
    guard let device else {
      return multiplySerially(m: m, n: n, k: k, a, b, beta: beta, into: c, stride: stride)
    }
    device.multiply(m: m, n: n, k: k, a, b, beta: beta, into: c, stride: stride)
  }
}

extension Device {
  /// Rows of x in another order: [indices.count, C].
  fileprivate func gathered(_ x: Tensor, _ indices: [Int]) -> Tensor {
    let c = x.lastDimension
    let y = empty([indices.count, c])
    forRanges(indices.count) {
      for i in $0 { (y.pointer + i * c).update(from: x.pointer + indices[i] * c, count: c) }
    }
    return y
  }

  /// The reverse, for indices that name each row once: row `indices[i]` is scale x[i].
  fileprivate func scattered(_ x: Tensor, _ indices: [Int], scale: Float, _ shape: [Int]) -> Tensor {
    let c = x.lastDimension
    let y = empty(shape)
    forRanges(indices.count) {
      for i in $0 { tsr_scale(y.pointer + indices[i] * c, scale, x.pointer + i * c, c) }
    }
    return y
  }
}
