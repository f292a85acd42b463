/// An error while features or tokens are scored or compared.
public enum EvaluationError: Error, Equatable, CustomStringConvertible, Sendable {
  /// The loss or the gradient of a probe's step is infinite or not a number.
  case probeNotFinite(step: Int, loss: Double)
  /// Features that do not fit together, from a file or from images. `place` names the file, and the record or
  /// image in it.
  case badFeatures(place: String, expected: String, found: String, hint: String)

  /// One line: what, expected, found, and what to try.
  public var description: String {
    switch self {
    case .probeNotFinite(let step, let loss):
      "probe, step \(step): expected a finite loss and gradient; found loss \(loss); try: a smaller --learning-rate"
    case .badFeatures(let place, let expected, let found, let hint):
      "\(place): expected \(expected); found \(found); try: \(hint)"
    }
  }
}
