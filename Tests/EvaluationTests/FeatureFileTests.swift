import StreamFormat
import TensorCore
import Testing

@testable import Evaluation

@Suite struct FeatureFileTests {
  private let device = Device(threadCount: 1)

  /// A record of features of two images.
  private func record(_ widths: [String: Int]) -> Record {
    Record(
      kind: .features,
      tensors: widths.map { name, width in
        StoredTensor(name: name, shape: [2, width], floats: (0..<2 * width).map { Float($0 % 5) })
      })
  }

  private func read(_ records: [Record]) throws -> FeatureSet {
    var rest = records[1...]
    return try FeatureFileReader(path: "f", device: device).read(records[0]) { rest.popFirst() }
  }

  @Test func recordsOfOneWidthAreOneSet() throws {
    let widths = ["features": 3, "spatial": 4, "logits": 5]
    let set = try read([record(widths), record(widths)])
    #expect(set.count == 4 && set.features?.dimension == 3 && set.logits?.count == 4)
    #expect(set.spatialStatistics?.dimension == 4)
  }

  @Test(arguments: ["features", "spatial", "logits"]) func anotherWidthIsRefused(name: String) {
    let widths = ["features": 3, "spatial": 4, "logits": 5]
    #expect {
      try read([record(widths), record(widths.merging([name: 2]) { _, new in new })])
    } throws: {
      guard case EvaluationError.badFeatures(let place, _, _, _) = $0 else { return false }
      return place == "f: image 2"
    }
  }
}
