import TensorCore

/// A network gave NaN or infinity where a number is needed, though its weights are finite: they are too large.
public struct NotFiniteError: Error, Equatable, CustomStringConvertible, Sendable {
  /// What was computed.
  public let what: String

  /// An error about something that was computed.
  public init(_ what: String) { self.what = what }

  /// One line: what, expected, found, and what to try.
  public var description: String {
    "\(what): expected finite numbers; found NaN or infinity; try: another model, or float32"
  }
}

extension Tensor {
  /// Stops where a result has a NaN or an infinity.
  /// - Throws: ``NotFiniteError``.
  public func requireFinite(_ what: String) throws {
    if !isFinite { throw NotFiniteError(what) }
  }
}
