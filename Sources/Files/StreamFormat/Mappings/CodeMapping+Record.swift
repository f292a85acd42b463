// MARK: - Record form

extension CodeMapping {
  /// Reads a mapping from a record of kind `mapping`.
  /// - Throws: ``FormatError`` for missing tensors or metadata, for a permutation that is no bijection or whose
  ///   two directions disagree, and for a coarse label out of range.
  public init(_ record: Record) throws {
    try record.require(kind: .mapping)
    let source = try record.metadata("source_codebook_sha256")
    let target = try record.metadata("target_codebook_sha256")
    let statistics = record.metadata["statistics"]
    let hasClusterSize = record.metadata["cluster_size"] != nil
    let clusterSize =
      hasClusterSize ? try record.integerMetadata("cluster_size", in: 1...TokenHeader.maximumSize) : nil
    if record["fine_to_coarse"] != nil {
      let labels = try record.tensor("fine_to_coarse", shape: [nil])
      let coarseCount = try record.integerMetadata("coarse_count", in: 1...TokenHeader.maximumSize)
      let values = try boundedIntegers(labels, below: coarseCount, origin: record.origin)
      self.init(
        fineToCoarse: values.map { Int($0) }, coarseCount: coarseCount, sourceCodebookSHA256: source,
        targetCodebookSHA256: target, clusterSize: clusterSize, statistics: statistics)
    } else {
      let newToOld = try readPermutation(record)
      if let clusterSize, newToOld.count % clusterSize != 0 {
        throw record.badMetadata("cluster_size", expected: "a divisor of the \(newToOld.count) codes")
      }
      self.init(
        newToOld: newToOld, sourceCodebookSHA256: source, targetCodebookSHA256: target,
        clusterSize: clusterSize, statistics: statistics)
    }
  }

  /// The record form; `extra` may hold `config` and `provenance`.
  public func record(metadata extra: [String: String] = [:]) -> Record {
    var record = Record(kind: .mapping, metadata: extra)
    record.metadata["source_codebook_sha256"] = sourceCodebookSHA256
    record.metadata["target_codebook_sha256"] = targetCodebookSHA256
    record.metadata["cluster_size"] = clusterSize.map { "\($0)" }
    record.metadata["statistics"] = statistics
    switch relation {
    case .permutation(let oldToNew, let newToOld):
      record.tensors = [codes("new_to_old", newToOld), codes("old_to_new", oldToNew)]
    case .fineToCoarse(let labels, let coarseCount):
      record.metadata["coarse_count"] = "\(coarseCount)"
      record.tensors = [codes("fine_to_coarse", labels)]
    }
    return record
  }
}

private func codes(_ name: String, _ values: [Int]) -> StoredTensor {
  StoredTensor(name: name, shape: [values.count], uint32s: values.map { UInt32($0) })
}

private func readPermutation(_ record: Record) throws -> [Int] {
  let newToOld = try record.tensor("new_to_old", shape: [nil]).integers()
  let oldToNew = try record.tensor("old_to_new", shape: [newToOld.count]).integers()
  guard let inverted = inverse(newToOld) else {
    throw FormatError(
      .valueOutOfRange, at: record.origin,
      expected: "new_to_old to have each of 0 to \(newToOld.count - 1) once",
      found: "a number twice or out of range", hint: "make the mapping again with rearrange-codebook")
  }
  if let wrong = inverted.indices.first(where: { inverted[$0] != oldToNew[$0] }) {
    throw FormatError(
      .valueOutOfRange, at: record.origin,
      expected: "old_to_new[\(wrong)] to be \(inverted[wrong]), the inverse of new_to_old",
      found: "\(oldToNew[wrong])", hint: "make the mapping again with rearrange-codebook")
  }
  return newToOld
}
