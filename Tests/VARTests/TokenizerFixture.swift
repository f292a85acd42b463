import ImageModels
import LlamaGen
import StreamFormat
import TensorCore
import Testing
import TestSupport
import VAR
import VQGAN

/// The tokenizer of `var_tokenizer_tiny`, which VAR's own code made (float32): five levels, scales 1 to 4, four phi.
struct TokenizerFixture {
  let golden: Fixture
  let configuration: TokenizerConfiguration

  init() throws {
    golden = try Fixture("var_tokenizer_tiny.safetensors")
    configuration = Self.configuration()
  }

  static func configuration(_ change: (inout MultiScaleConfiguration) -> Void = { _ in })
    -> TokenizerConfiguration
  {
    var scales = MultiScaleConfiguration(scales: [1, 2, 3, 4])
    change(&scales)
    return TokenizerConfiguration(
      channels: 4, zChannels: 8, codebookSize: 64, codeDimension: 8, normalizesCodes: false, groups: 2,
      imageSize: 64,
      codeKernel: 3, multiScale: scales)
  }

  /// The parameters under their published names.
  var published: [StoredTensor] {
    golden.record.tensors.filter { $0.name.hasPrefix("param.") }.map {
      $0.renamed(String($0.name.dropFirst(6)))
    }
  }

  /// A tensor under our name of it, such as that of a parameter or of its gradient; nil where there is none.
  func tensor(_ name: String, prefix: String) throws -> [Float]? {
    let names = golden.names(withPrefix: prefix)
    let joined = try #require(VQGANParameterNames(golden.names(withPrefix: "param.")))
    let ours = Dictionary(
      uniqueKeysWithValues: names.compactMap { published in
        joined.llamaGenName(of: published).map { ($0, published) }
      })
    let separate = try #require(VARParameterNames(ours))
    guard let stored = separate.names[name] else { return nil }
    let values = try golden.floats(prefix + stored)
    guard let third = separate.thirds[name] else { return values }
    return Array(values[third * values.count / 3..<(third + 1) * values.count / 3])
  }

  /// The tokenizer with the reference's parameters; phi by `names`, where a variant has its own.
  func model(
    _ device: Device, _ configuration: TokenizerConfiguration? = nil,
    phi names: (String) -> String? = { _ in nil }
  ) throws -> Tokenizer {
    let model = Tokenizer(configuration ?? self.configuration, device: device, seed: 0)
    for parameter in model.store.parameters {
      let own = try names(parameter.name).map { try golden.floats($0) }
      let values = try own ?? tensor(parameter.name, prefix: "param.")
      let found = try #require(values, "no \(parameter.name)")
      parameter.variable.value.copyElements(from: device.tensor(found, parameter.variable.shape))
    }
    return model
  }

  /// Tokens of the two images, scale after scale.
  func tokens() throws -> [Int] {
    let scales: [[Int]] = try (0..<4).map { try golden.integers("idx.\($0)") }
    let first = scales.flatMap { $0.prefix($0.count / 2) }
    let second = scales.flatMap { $0.suffix($0.count / 2) }
    return first + second
  }
}
