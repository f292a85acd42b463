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

  /// SHA-256 over all that the record says: its metadata, and the name, type, shape and bytes of each tensor, in the order of
  /// their names. Compression does not count.
  public var sha256: String {
    var hasher = SHA256Hasher()
    func add(_ text: String) { Array((text + "\0").utf8).withUnsafeBytes { hasher.update($0) } }
    for (key, value) in metadata.sorted(by: { $0.key < $1.key }) {
      add(key)
      add(value)
    }
    for tensor in tensors.sorted(by: { $0.name < $1.name }) {
      add("\(tensor.name)\0\(tensor.elementType.rawValue) \(tensor.shape)")
      tensor.withBytes { hasher.update($0) }
    }
    return hasher.finish()
  }
}
