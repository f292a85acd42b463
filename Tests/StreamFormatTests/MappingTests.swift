@testable import StreamFormat
import Testing

@Suite struct MappingTests {
  private let permutation = CodeMapping(
    newToOld: [2, 0, 3, 1], sourceCodebookSHA256: "aa", targetCodebookSHA256: "bb", clusterSize: 2,
    statistics: #"{"inner_mse":0.5}"#)

  @Test func permutationsComeBackUnchanged() throws {
    let read = try #require(try records(file(permutation.record())).first)
    #expect(try CodeMapping(read) == permutation)
    #expect(permutation.oldToNew == [1, 3, 0, 2])
    #expect(permutation.table == [1, 3, 0, 2] && permutation.targetCount == 4)
  }

  @Test func coarseLabelsComeBackUnchanged() throws {
    let mapping = CodeMapping(
      fineToCoarse: [1, 0, 1], coarseCount: 2, sourceCodebookSHA256: "aa", targetCodebookSHA256: "bb")
    let read = try #require(try records(file(mapping.record())).first)
    #expect(try CodeMapping(read) == mapping)
    #expect(mapping.sourceCount == 3 && mapping.targetCount == 2 && mapping.oldToNew == nil)
  }

  @Test func whatIsNoBijectionIsRefused() throws {
    let wrong: [(newToOld: [UInt32], oldToNew: [UInt32])] = [
      ([0, 0, 1, 2], [0, 1, 2, 3]), ([0, 1, 2, 4], [0, 1, 2, 3]), ([1, 2, 3, 0], [1, 2, 3, 0]),
    ]
    for (newToOld, oldToNew) in wrong {
      var record = permutation.record()
      record.tensors = [
        StoredTensor(name: "new_to_old", shape: [4], uint32s: newToOld),
        StoredTensor(name: "old_to_new", shape: [4], uint32s: oldToNew),
      ]
      let error = try #require(throws: FormatError.self) { try CodeMapping(record) }
      #expect(error.defect == .valueOutOfRange, "\(newToOld)")
    }
  }

  @Test func otherDefectsAreRefused() throws {
    var record = permutation.record()
    record.metadata["cluster_size"] = "3"
    #expect(try #require(throws: FormatError.self) { try CodeMapping(record) }.defect == .badMetadata)
    record = permutation.record()
    record.tensors.removeLast()
    #expect(try #require(throws: FormatError.self) { try CodeMapping(record) }.defect == .missingTensor)
    record.tensors = [StoredTensor(name: "fine_to_coarse", shape: [2], uint32s: [0, 2])]
    record.metadata["coarse_count"] = "2"
    #expect(try #require(throws: FormatError.self) { try CodeMapping(record) }.defect == .valueOutOfRange)
  }
}
