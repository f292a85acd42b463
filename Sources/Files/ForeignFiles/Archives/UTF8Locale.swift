import CArchive
import FoundationEssentials
import Glibc
import StreamFormat

/// A locale of one thread in which names are UTF-8: libarchive takes the names of members for what the locale says, and in the
/// one that a program begins with it has none for a name beyond ASCII.
final class UTF8Locale {
  private let locale = newlocale(1 << LC_CTYPE, "C.UTF-8", nil)

  deinit { if let locale { freelocale(locale) } }

  /// Calls `body` in this locale.
  func callAsFunction<Result>(_ body: () -> Result) -> Result {
    guard let locale else { return body() }
    let previous = uselocale(locale)
    defer { uselocale(previous) }
    return body()
  }
}
