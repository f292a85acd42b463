@testable import CTF
import Glibc
@testable import ImageModels
import TensorCore

/// The fine model by its formulas, one number after the other in double: every position sees every other.
struct NaiveFineModel {
  let sizes: TransformerConfiguration
  private var parameters: [String: [Double]] = [:]
  private let rotation: [Double]

  init(_ model: FineModel) {
    sizes = model.configuration
    for parameter in model.store.parameters {
      parameters[parameter.name] = parameter.variable.value.toArray().map(Double.init)
    }
    rotation = model.transformer.rotation.toArray().map(Double.init)
  }

  /// Logits [N][K] of one image.
  func logits(label: Int, coarse: [Int]) -> [[Double]] {
    var x = [row("cls_embedding.embedding_table.weight", label)]
    x += coarse.map { row("tok_embeddings.weight", $0) }
    for layer in 0..<sizes.layers {
      let name = "layers.\(layer)."
      let attended = attention(x.map { norm($0, name + "attention_norm.weight") }, name + "attention.")
      x = zip(x, attended).map { plus($0, $1) }
      x = x.map { plus($0, feedForward(norm($0, name + "ffn_norm.weight"), name + "feed_forward.")) }
    }
    return x.dropFirst().map { apply("output.weight", norm($0, "norm.weight")) }
  }

  private func attention(_ x: [[Double]], _ name: String) -> [[Double]] {
    let (c, d) = (sizes.width, sizes.headSize)
    let qkv = x.map { apply(name + "wqkv.weight", $0) }
    var result = x.map { _ in [Double](repeating: 0, count: c) }
    for head in 0..<sizes.heads {
      func part(_ input: Int, _ position: Int) -> [Double] {
        Array(qkv[position][input * c + head * d..<input * c + (head + 1) * d])
      }
      let queries = x.indices.map { rotated(part(0, $0), $0) }
      let keys = x.indices.map { rotated(part(1, $0), $0) }
      for i in x.indices {
        let weights = keys.map { exp(dot(queries[i], $0) / Double(d).squareRoot()) }
        let total = weights.reduce(0, +)
        for j in x.indices {
          for (k, value) in part(2, j).enumerated() { result[i][head * d + k] += weights[j] / total * value }
        }
      }
    }
    return result.map { apply(name + "wo.weight", $0) }
  }

  /// Pairs of neighbours turned by the position's angles.
  private func rotated(_ x: [Double], _ position: Int) -> [Double] {
    (0..<x.count).map { i in
      let (cosine, sine) = (
        rotation[position * x.count + i / 2 * 2], rotation[position * x.count + i / 2 * 2 + 1]
      )
      return i % 2 == 0 ? x[i] * cosine - x[i + 1] * sine : x[i] * cosine + x[i - 1] * sine
    }
  }

  private func feedForward(_ x: [Double], _ name: String) -> [Double] {
    let gate = apply(name + "w1.weight", x).map { $0 / (1 + exp(-$0)) }
    let product = zip(gate, apply(name + "w3.weight", x)).map { $0 * $1 }
    return apply(name + "w2.weight", product)
  }

  private func norm(_ x: [Double], _ name: String) -> [Double] {
    let scale = 1 / (dot(x, x) / Double(x.count) + sizes.normEpsilon).squareRoot()
    return zip(x, parameters[name] ?? []).map { $0 * scale * $1 }
  }

  private func apply(_ name: String, _ x: [Double]) -> [Double] {
    let weight = parameters[name] ?? []
    return (0..<weight.count / x.count).map { dot(Array(weight[$0 * x.count..<($0 + 1) * x.count]), x) }
  }

  private func row(_ name: String, _ index: Int) -> [Double] {
    Array((parameters[name] ?? [])[index * sizes.width..<(index + 1) * sizes.width])
  }

  private func plus(_ a: [Double], _ b: [Double]) -> [Double] { zip(a, b).map { $0 + $1 } }
  private func dot(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }
}
