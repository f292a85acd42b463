/// An error that ends training.
public enum TrainingError: Error, Equatable, CustomStringConvertible, Sendable {
  /// The loss or the gradient of a step is infinite or not a number.
  case notFinite(step: Int, loss: Double, gradientNorm: Double, lastCheckpoint: Int?)
  /// The checkpoint was made with other settings or other data.
  case settingsChanged(name: String, checkpoint: String, now: String)
  /// A signal arrived; the state has been saved.
  case interrupted(step: Int)
  /// Another rank is to train something else.
  case ranksDiffer(rank: Int)

  /// One line: what, expected, found, and what to try.
  public var description: String {
    switch self {
    case .notFinite(let step, let loss, let norm, let checkpoint):
      let kept = checkpoint.map { "the checkpoint of step \($0) is kept" } ?? "there is no checkpoint yet"
      return
        "step \(step): expected a finite loss and gradient; found loss \(loss), gradient norm \(norm); \(kept); "
        + "try: a smaller --learning-rate"
    case .settingsChanged(let name, let checkpoint, let now):
      let kept =
        name.hasPrefix("initial")
        ? "the --initial and --freeze that it began with" : "the settings it was made with"
      return "expected \(name) \(now), as it is now; found \(checkpoint); try: \(kept), or remove it"
    case .interrupted(let step): return "interrupted after step \(step); the state has been saved"
    case .ranksDiffer(let rank):
      return
        "expected the options, the data, the checkpoint and the threads of rank 0 on all ranks; found others on rank \(rank); "
        + "try: files that all machines see, and --threads"
    }
  }
}
