import ToolRuntime

/// The size of a token grid as an option gives it: ROWSxCOLUMNS, such as 16x16. Either side is from 1 to 65,536.
public struct TokenGridSize: FormedArgument, Sendable {
  public static let form = "ROWSxCOLUMNS, each from 1 to 65536, such as 16x16"

  public let rows: Int
  public let columns: Int

  public init?(argument: String) {
    let sides = argument.split(separator: "x", omittingEmptySubsequences: false).map { Int($0) }
    guard sides.count == 2, let rows = sides[0], let columns = sides[1], 1...65536 ~= rows,
      1...65536 ~= columns
    else { return nil }
    (self.rows, self.columns) = (rows, columns)
  }
}
