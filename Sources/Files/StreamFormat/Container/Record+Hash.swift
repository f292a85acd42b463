extension Record {
  /// SHA-256 over the tensors in the order of their names: of each, the name, a zero byte, and its bytes. Metadata
  /// and compression do not count.
  public var weightsSHA256: String {
    var hasher = SHA256Hasher()
    for tensor in tensors.sorted(by: { $0.name < $1.name }) {
      Array((tensor.name + "\0").utf8).withUnsafeBytes { hasher.update($0) }
      tensor.withBytes { hasher.update($0) }
    }
    return hasher.finish()
  }
}
