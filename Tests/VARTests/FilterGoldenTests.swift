import Glibc
import ImageModels
import TensorCore
import Testing
import TestSupport

/// What top-k and then top-p leave of logits, against VAR's own code: each token that is left can be drawn, at the place
/// that the ones before it leave to it, and no other can.
@Suite struct FilterGoldenTests {
  @Test(arguments: [("k0_p0.9", 0, 0.9), ("k8_p0.0", 8, 1), ("k8_p0.6", 8, 0.6), ("k32_p0.96", 32, 0.96)])
  func tokensThatAreLeft(name: String, topK: Int, topP: Float) throws {
    let golden = try Fixture("var_transformer_tiny.safetensors")
    let (logits, kept) = (try golden.floats("filter.logits"), try golden.integers("filter.\(name).kept"))
    for row in 0..<12 {
      let own = Array(logits[row * 64..<(row + 1) * 64])
      let largest = Double(own.max() ?? 0)
      let weights = own.indices.map { kept[row * 64 + $0] == 1 ? exp(Double(own[$0]) - largest) : 0 }
      let total = weights.reduce(0, +)
      var before = 0.0
      for (token, weight) in weights.enumerated() where weight > 0 {
        var copy = own
        let drawn = copy.withUnsafeMutableBufferPointer {
          drawToken($0, DrawOptions(topK: topK, topP: topP), uniform: (before + weight / 2) / total)
        }
        #expect(drawn == token, "\(name), row \(row)")
        before += weight
      }
    }
  }
}
