import Foundation
@testable import ImageModels
import StreamFormat
import TensorCore
import Testing

/// Figures for the performance page: how often a model's greedy tokens in smaller formats are float32's.
/// `TESSERA_MEASURE=out/quickstart/model.tensors.zst swift test -c release -Xswiftc -enable-testing
/// --filter SamplingMeasurement`.
@Suite(
  .serialized,
  .enabled(if: ProcessInfo.processInfo.environment["TESSERA_MEASURE"]?.hasSuffix(".zst") == true, "measures"))
struct SamplingMeasurement {
  let device = Device(threadCount: 2)

  func generator(_ precision: SamplingPrecision) throws -> TokenGenerator {
    let path = ProcessInfo.processInfo.environment["TESSERA_MEASURE"]!
    let reader = RecordReader(try FileSource(path: path))
    return TokenGenerator(
      try #require(try PackedTransformer.read(reader, precision: precision, device: device)).model)
  }

  @Test(arguments: [1.0, 2.0, 4.0]) func greedyTokens(scale: Double) throws {
    let wide = try generator(.float32)
    let labels = (0..<64).map { $0 % wide.model.configuration.classCount }
    let guidance = Guidance(scale: scale)
    let tokens = try #require(
      try wide.generate(
        labels: labels, imageIndices: Array(labels.indices), guidance: guidance, draw: DrawOptions(), seed: 0)
    )
    let expected = try wide.greedyChoices(labels: labels, tokens: tokens, guidance: guidance)
    for precision in [SamplingPrecision.bfloat16, .int8] {
      let found = try generator(precision).greedyChoices(labels: labels, tokens: tokens, guidance: guidance)
      let pairs = zip(expected.flatMap { $0 }, found.flatMap { $0 })
      let equal = pairs.count { $0 == $1 }
      print(
        "\(precision), guidance \(scale): \(equal) of \(labels.count * tokens[0].count) greedy tokens equal")
    }
  }
}
