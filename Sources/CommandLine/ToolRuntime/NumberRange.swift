/// Two numbers, the smaller first, with a comma between them.
public struct NumberRange: FormedArgument, Sendable {
  public static let form = "two numbers, the smaller one first, such as 0.08,1"

  /// From the first to the second.
  public let bounds: ClosedRange<Double>

  /// Reads "0.08,1".
  public init?(argument: String) {
    guard let numbers = commaSeparated(argument, { Double($0) }), numbers.count == 2, numbers[0] <= numbers[1]
    else { return nil }
    bounds = numbers[0]...numbers[1]
  }
}
