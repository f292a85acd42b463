import ArgumentParser

/// Two numbers, the smaller first, with a comma between them.
public struct NumberRange: ExpressibleByArgument, Sendable {
  /// From the first to the second.
  public let bounds: ClosedRange<Double>

  /// Reads "0.08,1".
  public init?(argument: String) {
    let numbers = argument.split(separator: ",", omittingEmptySubsequences: false).map { Double($0) }
    guard numbers.count == 2, let low = numbers[0], let high = numbers[1], low <= high else { return nil }
    bounds = low...high
  }
}
