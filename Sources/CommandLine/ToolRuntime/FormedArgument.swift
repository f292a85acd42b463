import ArgumentParser

/// The value of an option that is written in a form of its own, such as `16x16`. `transform: Value.parse` in the option
/// names the form to whoever misses it, which a plain `ExpressibleByArgument` does not.
public protocol FormedArgument {
  /// What the text must be, with an example; completes "expected ...".
  static var form: String { get }

  /// A value, or nil of a text in another form.
  init?(argument: String)
}

extension FormedArgument {
  /// Reads the text of an option.
  /// - Throws: `ValidationError`, which names the form.
  public static func parse(_ text: String) throws -> Self {
    guard let value = Self(argument: text) else { throw ValidationError("expected \(form).") }
    return value
  }
}
