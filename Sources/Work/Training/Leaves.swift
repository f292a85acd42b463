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
    for leaf in leaves.dropLast() {
      values.append(try task.accumulateGradients(step: step, leaf: leaf))
      tree.addLeaf()
    }
    values.append(try lastLeaf(leaves.upperBound - 1, step: step, tree))
    return means(values).merging(task.joinLeaves(step: step, over: communicator)) { $1 }
  }

  /// The last leaf of this rank. Between ranks, sums are sent while its backward pass goes on.
  private func lastLeaf(_ leaf: Int, step: Int, _ tree: GradientTree) throws -> [String: Double] {
    if communicator.count == 1 {
      let values = try task.accumulateGradients(step: step, leaf: leaf)
      tree.finish()
      return values
    }
    precondition(task.discriminator == nil, "TrainingLoop: a discriminator on \(communicator.count) ranks")
    let exchange = GradientExchange(tree, communicator, clock)
    let values = try task.accumulateGradients(step: step, leaf: leaf, watch: exchange.watch)
    communication.add(exchange.finish())
    return values
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

  /// Stops where a rank has other settings or data, scores at other steps, computes on another number of threads, which rounds
  /// otherwise, or stands at another step: what they compute would not be one training.
  /// - Throws: `TrainingError.ranksDiffer`.
  func requireEqualRanks() throws {
    let threads = task.store.device.threads.count
    let state =
      try
      "\(optimizer.stepCount) \(options.evaluateEvery) \(options.checkpointEvery) \(threads) \(task.settings.json())"
    let states = communicator.gather([UInt8](state.utf8))
    if let rank = states.firstIndex(where: { $0 != states[0] }) {
      throw TrainingError.ranksDiffer(rank: rank)
    }
  }
}

/// Adds up the gradients of leaves, which come one after another in the variables.
struct GradientTree {
  let variables: [Variable]
  let device: Device
  /// Sums of 1, 2, 4, ... leaves that wait for the sum of as many leaves beside them, the largest first.
  private var waiting: [[Tensor?]] = []
  private var count = 0

  init(_ variables: [Variable], _ device: Device) { (self.variables, self.device) = (variables, device) }

  /// Takes the gradients that are in the variables, as the next leaf; another one comes after it.
  mutating func addLeaf() {
    let tape = Tape(device: device)
    // The sums that the new leaf completes: as many as the number of leaves before it ends with ones.
    for _ in 0..<(~count).trailingZeroBitCount {
      for (variable, gradient) in zip(variables, waiting.removeLast()) {
        if let gradient { tape.accumulate(gradient, into: variable.slot) }
      }
    }
    count += 1
    waiting.append(variables.map(\.gradient))
    variables.forEach { $0.clearGradient() }
  }

  /// Adds the sums that wait to the gradient of the last leaf, which is in the variable at `place`.
  /// - Precondition: the last leaf makes a power of two of them.
  func finish(at place: Int) {
    precondition(
      waiting.count == count.nonzeroBitCount && count & (count + 1) == 0, "GradientTree: \(count) leaves + 1")
    for sums in waiting.reversed() {
      if let gradient = sums[place] { Tape(device: device).accumulate(gradient, into: variables[place].slot) }
    }
  }

  /// The same for all variables.
  func finish() { variables.indices.forEach { finish(at: $0) } }
}
