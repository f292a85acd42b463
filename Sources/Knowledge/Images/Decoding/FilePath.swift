/// A path as the operating system has it: bytes, which need not be UTF-8. A string made of such a name is the name of
/// another file, or of none.
public struct FilePath: Sendable, Hashable, CustomStringConvertible {
  /// The bytes, without the zero that ends them in C.
  public let bytes: [UInt8]

  /// A path of bytes.
  public init(_ bytes: some Sequence<UInt8>) { self.bytes = Array(bytes) }

  /// A path that a text names.
  public init(_ text: String) { bytes = Array(text.utf8) }

  /// The path as people read it, with %E9 and the like in place of bytes that are no UTF-8.
  public var description: String { readableText(of: bytes) }

  /// The path of an entry of this folder.
  public func appending(_ name: FilePath) -> FilePath {
    FilePath(bytes + (bytes.last == UInt8(ascii: "/") ? [] : [UInt8(ascii: "/")]) + name.bytes)
  }

  /// Calls a function with the path as C takes it.
  func withCString<Result>(_ body: (UnsafePointer<CChar>) -> Result) -> Result {
    (bytes + [0]).withUnsafeBufferPointer { buffer in
      buffer.withMemoryRebound(to: CChar.self) { body($0.baseAddress!) }
    }
  }

  /// In the order of names; bytes that are no UTF-8 count as one unknown character each, and then as themselves.
  static func precedes(_ a: FilePath, _ b: FilePath) -> Bool {
    if a.isASCII, b.isASCII { return a.bytes.lexicographicallyPrecedes(b.bytes) }
    let (first, second) = (String(decoding: a.bytes, as: UTF8.self), String(decoding: b.bytes, as: UTF8.self))
    return first == second
      ? a.bytes.lexicographicallyPrecedes(b.bytes) : areInNameOrder(first, second)
  }

  private var isASCII: Bool { bytes.allSatisfy { $0 < 0x80 } }
}

/// Bytes as text; each byte that is part of no character becomes %E9 and the like.
func readableText(of bytes: [UInt8]) -> String {
  if let text = String(validating: bytes, as: UTF8.self) { return text }
  var (text, place) = ("", 0)
  while place < bytes.count {
    let lengths = 1...min(4, bytes.count - place)
    let character = lengths.lazy.compactMap {
      String(validating: bytes[place..<place + $0], as: UTF8.self)
    }.first
    if let character {
      text += character
      place += character.utf8.count
    } else {
      text += "%" + String(bytes[place], radix: 16, uppercase: true)
      place += 1
    }
  }
  return text
}
