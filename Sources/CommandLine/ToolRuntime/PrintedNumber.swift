import Glibc

/// A number as `printf` writes it.
/// - Parameter format: one conversion of a `double`, such as `%.4f`.
public func printed(_ format: String, _ value: Double) -> String {
  // Digits of the largest number, sign, point and decimals.
  withUnsafeTemporaryAllocation(of: CChar.self, capacity: 512) { text in
    let length = withVaList([value]) { vsnprintf(text.baseAddress, text.count, format, $0) }
    precondition((0..<text.count).contains(Int(length)), "printed: \(format) of \(value)")
    return String(decoding: text.prefix(Int(length)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
