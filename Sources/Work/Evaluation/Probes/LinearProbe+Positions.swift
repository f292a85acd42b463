import TensorCore

extension LinearProbe {
  /// Trains a classifier on each position's features and scores it on both parts, the positions side by side on the
  /// device's threads. The outcome does not depend on their number.
  /// - Parameters:
  ///   - training: features [n, C] of each position.
  ///   - test: features [m, C] of each position.
  /// - Throws: `EvaluationError.probeNotFinite`.
  public static func scores(
    training: [Tensor], labels: [Int], test: [Tensor], labels testLabels: [Int], classCount: Int,
    options: Options, device: Device
  ) throws -> [(test: ProbeScores, training: ProbeScores)] {
    precondition(training.count == test.count, "LinearProbe: \(training.count) and \(test.count) positions")
    var outcomes = [Result<(test: ProbeScores, training: ProbeScores), any Error>?](
      repeating: nil, count: training.count)
    outcomes.withUnsafeMutableBufferPointer { outcomes in
      let base = outcomes.baseAddress
      device.forRanges(training.count) { range in
        for position in range {
          base?[position] = Result {
            // The products are too small for several threads, so each thread has a device of its own.
            let probe = try LinearProbe(
              training[position], labels: labels, classCount: classCount, options: options,
              device: Device(threadCount: 1))
            return (
              probe.scores(test[position], labels: testLabels),
              probe.scores(training[position], labels: labels)
            )
          }
        }
      }
    }
    return try outcomes.map { try $0!.get() }
  }
}
