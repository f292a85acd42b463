import CCrypto

/// SHA-256, fed piece by piece.
public struct SHA256Hasher: ~Copyable {
  private let context: OpaquePointer

  /// The hash of no bytes yet.
  public init() {
    guard let context = EVP_MD_CTX_new() else { fatalError("out of memory") }
    let started = EVP_DigestInit_ex(context, EVP_sha256(), nil)
    precondition(started == 1, "this libcrypto has no SHA-256")
    self.context = context
  }

  deinit {
    EVP_MD_CTX_free(context)
  }

  /// Appends bytes to what is hashed.
  public mutating func update(_ bytes: UnsafeRawBufferPointer) {
    let updated = EVP_DigestUpdate(context, bytes.baseAddress, bytes.count)
    precondition(updated == 1, "SHA-256 failed")
  }

  /// The hash of everything so far, as 64 lowercase hexadecimal digits; more may be appended after it.
  public func finish() -> String {
    guard let copy = EVP_MD_CTX_new() else { fatalError("out of memory") }
    defer { EVP_MD_CTX_free(copy) }
    var digest = [UInt8](repeating: 0, count: 32)
    let finished = EVP_MD_CTX_copy_ex(copy, context) == 1 && EVP_DigestFinal_ex(copy, &digest, nil) == 1
    precondition(finished, "SHA-256 failed")
    let digits = Array("0123456789abcdef".utf8)
    return String(decoding: digest.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
  }

  /// The hash of a buffer.
  public static func hex(of bytes: UnsafeRawBufferPointer) -> String {
    var hasher = SHA256Hasher()
    hasher.update(bytes)
    return hasher.finish()
  }

  /// The hash of an array of bytes.
  public static func hex(of bytes: [UInt8]) -> String {
    bytes.withUnsafeBytes { hex(of: $0) }
  }

  /// The hash of everything a source still holds.
  /// - Throws: ``StreamError/readFailed(file:errno:)``.
  public static func hex(of source: ByteSource) throws -> String {
    var hasher = SHA256Hasher()
    var chunk = [UInt8](repeating: 0, count: 1 << 18)
    while true {
      let count = try chunk.withUnsafeMutableBytes { try source.read(into: $0) }
      if count == 0 { return hasher.finish() }
      chunk.withUnsafeBytes { hasher.update(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
    }
  }
}
