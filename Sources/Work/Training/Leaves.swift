import Autograd
import Communication
import NeuralNet
import TensorCore

// A batch is cut into leaves, whatever the number of ranks. The gradients of leaves are added as one binary tree: leaf 0 with
// 1, 2 with 3, and so on, then these sums with each other. The lower levels of the tree are added within a rank, the upper
// ones between ranks, so that the bytes of the sum do not depend on how many ranks there are.

extension TrainingLoop {
  /// Leaves the gradients of a batch in the task's stores, on all ranks the same.
  /// - Returns: values to log: means over the leaves, and those of the whole batch.
  func batchGradients(step: Int) throws -> [String: Double] {
    let leaves = communicator.share(of: options.leafCount)
    let stores = [task.store] + (task.discriminator.map { [$0] } ?? [])
    var tree = GradientTree(stores.flatMap(\.parameters).map(\.variable), task.store.device)
    try task.startStep(step)
    var values: [[String: Double]] = []
    for leaf in leaves {
      values.append(try task.accumulateGradients(step: step, leaf: leaf))
      tree.addLeaf(isLast: leaf == leaves.upperBound - 1)
    }
    tree.sum(over: communicator)
    return means(values).merging(task.joinLeaves(step: step, over: communicator)) { $1 }
  }

  /// Means of values over the leaves of all ranks, added in the order of the leaves.
  private func means(_ values: [[String: Double]]) -> [String: Double] {
    let names = values[0].keys.sorted()
    let all = communicator.gather(numbers: values.flatMap { leaf in names.map { leaf[$0] ?? .nan } })
    let sums = names.indices.map { place in
      stride(from: place, to: all.count, by: names.count).reduce(0) { $0 + all[$1] }
    }
    return Dictionary(uniqueKeysWithValues: zip(names, sums.map { $0 / Double(options.leafCount) }))
  }

  /// Stops where a rank has other settings or data, or stands at another step: what they compute would not be one training.
  /// - Throws: `TrainingError.ranksDiffer`.
  func requireEqualRanks() throws {
    let state = try "\(optimizer.stepCount) \(task.settings.json())"
    let states = communicator.gather([UInt8](state.utf8))
    if let rank = states.firstIndex(where: { $0 != states[0] }) {
      throw TrainingError.ranksDiffer(rank: rank)
    }
  }
}

/// Adds up the gradients of leaves, which come one after another in the variables.
struct GradientTree {
  private let variables: [Variable]
  private let device: Device
  /// Sums of 1, 2, 4, ... leaves that wait for the sum of as many leaves beside them, the largest first.
  private var waiting: [[Tensor?]] = []
  private var count = 0

  init(_ variables: [Variable], _ device: Device) { (self.variables, self.device) = (variables, device) }

  /// Adds the gradients that are in the variables, as the next leaf.
  /// - Parameter isLast: whether the sum is to be left in the variables.
  /// - Precondition: the last leaf makes a power of two of them.
  mutating func addLeaf(isLast: Bool) {
    let tape = Tape(device: device)
    // The sums that the new leaf completes: as many as the number of leaves before it ends with ones.
    for _ in 0..<(~count).trailingZeroBitCount {
      for (variable, gradient) in zip(variables, waiting.removeLast()) {
        if let gradient { tape.accumulate(gradient, into: variable) }
      }
    }
    count += 1
    if isLast {
      precondition(waiting.isEmpty, "GradientTree: \(count) leaves")
      return
    }
    waiting.append(variables.map(\.gradient))
    variables.forEach { $0.clearGradient() }
  }

  /// Adds up the sums of all ranks. Parameters are put together and cut, so that each message has a fair size.
  func sum(over communicator: any Communicator) {
    if communicator.count == 1 { return }
    let gradients = variables.compactMap(\.gradient)
    let total = gradients.reduce(0) { $0 + $1.count }
    let bucket = device.empty([min(total, Self.bucketSize)])
    for first in stride(from: 0, to: total, by: Self.bucketSize) {
      let part = first..<min(first + Self.bucketSize, total)
      forPieces(of: gradients, in: part) { (bucket.pointer + $0).update(from: $1, count: $2) }
      communicator.sum(UnsafeMutableBufferPointer(rebasing: bucket.buffer[..<part.count]))
      forPieces(of: gradients, in: part) { $1.update(from: bucket.pointer + $0, count: $2) }
    }
  }

  /// Calls `body` with the pieces of tensors that a range of all their elements, tensor after tensor, is made of.
  private func forPieces(
    of tensors: [Tensor], in range: Range<Int>,
    _ body: (_ offset: Int, _ piece: UnsafeMutablePointer<Float>, _ count: Int) -> Void
  ) {
    var first = 0
    for tensor in tensors {
      let piece = range.clamped(to: first..<first + tensor.count)
      if !piece.isEmpty {
        body(piece.lowerBound - range.lowerBound, tensor.pointer + (piece.lowerBound - first), piece.count)
      }
      first += tensor.count
    }
  }

  /// Floats that are added up at a time: 16 MB.
  private static let bucketSize = 4 << 20
}
