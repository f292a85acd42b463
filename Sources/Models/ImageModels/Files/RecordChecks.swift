import StreamFormat

/// Checks of every model file, before memory is allocated.
extension Record {
  /// Numbers in all tensors together.
  public var numberCount: Int { tensors.reduce(0) { $0 + $1.elementCount } }

  /// - Parameter problem: the error text of the configuration, or nil.
  /// - Throws: `FormatError` (badMetadata).
  public func requireConfiguration(_ problem: String?) throws {
    guard let problem else { return }
    throw FormatError(
      .badMetadata, at: origin, expected: "a configuration with sizes that fit together", found: problem,
      hint: "make the file again")
  }

  /// A configuration may claim any size, so this check bounds the memory to about what the record holds.
  /// Missing and unknown tensors are found later, when the parameters are filled.
  /// - Throws: `FormatError` (badMetadata).
  public func requireNumbers(_ scalars: Int, found: Int) throws {
    guard scalars <= 2 * found + (1 << 20) else {
      throw FormatError(
        .badMetadata, at: origin, expected: "tensors of \(scalars) numbers, as the configuration says",
        found: "\(found) numbers", hint: "check that the configuration belongs to these weights")
    }
  }

  /// - Throws: `FormatError` (badMetadata) unless clusters of a size fill the codebook; 0 stands for none.
  public func requireClusters(_ size: Int, codes: Int) throws {
    guard size == 0 || codes % size == 0 else {
      throw FormatError(
        .badMetadata, at: origin, expected: "a cluster_size that divides \(codes) codes", found: "\(size)",
        hint: "make the file again")
    }
  }

  /// - Throws: `FormatError` (badMetadata) unless there is a name for each of `count` classes, or none at all.
  public func requireClassNames(_ names: [String], count: Int) throws {
    guard names.isEmpty || names.count == count else {
      throw FormatError(
        .badMetadata, at: origin, expected: "\(count) class names or none", found: "\(names.count)",
        hint: "make the file again")
    }
  }
}
