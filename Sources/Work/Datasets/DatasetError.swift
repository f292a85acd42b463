/// What is wrong with the data of a run.
public enum DatasetError: Error, Equatable, CustomStringConvertible {
  /// A split that leaves nothing to train on.
  case tooFewItems(found: Int, needed: Int)

  /// Expected, found, and what to try.
  public var description: String {
    switch self {
    case .tooFewItems(let found, let needed):
      "data: expected at least \(needed) images; found \(found); "
        + "try: more images or a smaller --held-out"
    }
  }
}
