import ArgumentParser
import StreamFormat

/// Which view of each image a tool looks at. All tools that look at one view have the same default, which is also the
/// view of the held-out images that training scores.
public struct ViewOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Number of the view of each image, counted from 0. (default: the centre crop; the first view of a file "
        + "without one)"))
  var view: Int?

  /// The default.
  public init() {}

  /// Checks the range.
  public func validate() throws {
    if let view, view < 0 { throw ValidationError("--view must not be negative.") }
  }

  /// Whether a view was asked for.
  public var isGiven: Bool { view != nil }

  /// The number of the view in a file; it may be one that the file lacks.
  public func number(in header: TokenHeader) -> Int { view ?? header.centerView }
}
