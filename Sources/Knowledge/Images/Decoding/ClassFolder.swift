/// The folder of a class, by name and back. A class may have any name, and a folder may not: `/` would lead into another
/// folder, `..` out of it, and a dot at the start hides it. These are written as %2F and %2E, and what reads folders
/// takes them back. Names of other kinds are those of their folders.
public enum ClassFolder {
  /// What stands in a folder's name for a text of the class's name; the longest text first.
  private static let escapes: [(code: String, text: String)] = [
    ("%2F", "/"), ("%00", "\0"), ("%25", "%"), ("%2E", "."),
  ]
  /// The folder of the class without a name.
  private static let empty = "%_"

  /// The name of a class's folder: one component of a path, not hidden, and another for every class.
  public static func name(of className: String) -> String {
    if className.isEmpty { return empty }
    var name = ""
    var rest = Substring(className)
    while let scalar = rest.unicodeScalars.first {
      let isEscape =
        rest.utf8.starts(with: empty.utf8) || escapes.contains { rest.utf8.starts(with: $0.code.utf8) }
      switch scalar {
      case "/": name += "%2F"
      case "\0": name += "%00"
      case "." where name.isEmpty: name += "%2E"
      case "%" where isEscape: name += "%25"
      default: name.unicodeScalars.append(scalar)
      }
      rest.unicodeScalars.removeFirst()
    }
    return name
  }

  /// The class of a folder. A name that `name(of:)` does not give, such as a%2Eb, is the class's own; bytes that are no
  /// UTF-8 are written as %E9 and the like.
  public static func className(of folder: FilePath) -> String {
    let text = folder.description
    if text == empty { return "" }
    var name = ""
    var rest = Substring(text)
    while let scalar = rest.unicodeScalars.first {
      if let escape = escapes.first(where: { rest.utf8.starts(with: $0.code.utf8) }) {
        name += escape.text
        rest.unicodeScalars.removeFirst(3)
      } else {
        name.unicodeScalars.append(scalar)
        rest.unicodeScalars.removeFirst()
      }
    }
    return self.name(of: name) == text ? name : text
  }
}
