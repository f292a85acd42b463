@testable import ImageModels
import LlamaGen
import TensorCore
import Testing

/// Sizes by name: the papers' parameter counts, and LlamaGen's parameter names.
@Suite struct ConfigurationTests {
  /// LlamaGen, table 2, in millions.
  @Test(arguments: [("GPT-B", 111.0), ("GPT-L", 343), ("GPT-XL", 775), ("GPT-XXL", 1411)])
  func publishedParameterCounts(name: String, millions: Double) throws {
    let (layers, heads, width) = try #require(TransformerConfiguration.named[name])
    let configuration = TransformerConfiguration(
      layers: layers, heads: heads, width: width, vocabularySize: 16384, gridRows: 16, gridColumns: 16,
      classCount: 1000)
    #expect(configuration.problem == nil)
    #expect(abs(Double(configuration.scalarCount) / 1e6 - millions) < 0.5, "\(configuration.scalarCount)")
  }

  @Test func scalarCountsAreThoseOfBuiltModels() {
    let device = Device(threadCount: 1)
    let transformer = TransformerConfiguration(
      layers: 3, heads: 2, width: 24, vocabularySize: 50, gridRows: 3, gridColumns: 2, classCount: 7)
    #expect(transformer.scalarCount == Transformer(transformer, device: device, seed: nil).store.scalarCount)
    for multipliers in [[1], [1, 2], [2, 1, 3]] {
      for blocks in 1...2 {
        let tokenizer = TokenizerConfiguration(
          channels: 4, multipliers: multipliers, residualBlocks: blocks, zChannels: 5, codebookSize: 9,
          codeDimension: 3, groups: 2, imageSize: 16)
        let built = Tokenizer(tokenizer, device: device, seed: nil).store.scalarCount
        #expect(tokenizer.scalarCount == built, "\(multipliers), \(blocks) blocks")
      }
    }
  }

  @Test(arguments: ["VQ-16", "VQ-8"]) func tokenizersHaveLlamaGensParameters(name: String) throws {
    let configuration = try #require(TokenizerConfiguration.named[name])
    let built = Tokenizer(configuration, device: Device(threadCount: 1), seed: nil)
    let names = built.store.parameters.map(\.name)
    #expect(Set(names).count == names.count)
    #expect(Set(names) == Set(llamaGenNames(multipliers: configuration.multipliers, blocks: 2)))
    // LlamaGen's table 1 has 72M for VQ-16 and 70M for VQ-8.
    #expect(abs(Double(built.store.scalarCount) / 1e6 - (name == "VQ-16" ? 72 : 70)) < 1)
  }

  /// The names that LlamaGen's module tree gives.
  func llamaGenNames(multipliers: [Int], blocks: Int) -> [String] {
    func both(_ modules: [String]) -> [String] { modules.flatMap { [$0 + ".weight", $0 + ".bias"] } }
    func residual(_ name: String, _ from: Int, _ to: Int) -> [String] {
      both(["norm1", "conv1", "norm2", "conv2"].map { name + "." + $0 })
        + (from == to ? [] : both([name + ".nin_shortcut"]))
    }
    func attention(_ name: String) -> [String] {
      both(["norm", "q", "k", "v", "proj_out"].map { name + "." + $0 })
    }
    var names = ["quantize.embedding.weight"] + both(["quant_conv", "post_quant_conv"])
    for half in ["encoder", "decoder"] {
      names += both(["conv_in", "norm_out", "conv_out"].map { half + "." + $0 })
      names += residual(half + ".mid.0", 0, 0) + attention(half + ".mid.1") + residual(half + ".mid.2", 0, 0)
    }
    let last = multipliers.count - 1
    for level in 0...last {
      let block = "encoder.conv_blocks.\(level)."
      for i in 0..<blocks {
        let from = i > 0 ? multipliers[level] : level == 0 ? 1 : multipliers[level - 1]
        names += residual(block + "res.\(i)", from, multipliers[level])
        if level == last { names += attention(block + "attn.\(i)") }
      }
      if level < last { names += both([block + "downsample.conv"]) }
    }
    // The decoder counts its blocks from the smallest image on.
    for (index, level) in (0...last).reversed().enumerated() {
      let block = "decoder.conv_blocks.\(index)."
      for i in 0...blocks {
        let from = i > 0 || level == last ? multipliers[level] : multipliers[level + 1]
        names += residual(block + "res.\(i)", from, multipliers[level])
        if level == last { names += attention(block + "attn.\(i)") }
      }
      if level > 0 { names += both([block + "upsample.conv"]) }
    }
    return names
  }

  @Test func badSizesAreNamed() {
    let good = TransformerConfiguration(
      layers: 1, heads: 2, width: 8, vocabularySize: 4, gridRows: 2, gridColumns: 2, classCount: 2)
    #expect(good.problem == nil)
    func problem(_ change: (inout TransformerConfiguration) -> Void) -> String? {
      var configuration = good
      change(&configuration)
      return configuration.problem
    }
    #expect(problem { $0.heads = 3 } != nil && problem { $0.heads = 4 } != nil)
    #expect(problem { $0.layers = 0 } != nil && problem { $0.layers = 512 } != nil)
    #expect(problem { $0.width = 1 << 20 } != nil && problem { $0.vocabularySize = -1 } != nil)
    #expect(problem { ($0.gridRows, $0.gridColumns) = (1 << 20, 1 << 20) } != nil)

    func tokenizerProblem(_ change: (inout TokenizerConfiguration) -> Void) -> String? {
      var configuration = TokenizerConfiguration()
      change(&configuration)
      return configuration.problem
    }
    #expect(tokenizerProblem { _ in } == nil)
    #expect(tokenizerProblem { $0.multipliers = [] } != nil)
    #expect(tokenizerProblem { $0.multipliers = [1 << 20] } != nil)
    #expect(tokenizerProblem { $0.channels = 100 } != nil && tokenizerProblem { $0.imageSize = 100 } != nil)
    #expect(tokenizerProblem { $0.residualBlocks = 1000 } != nil && tokenizerProblem { $0.groups = 0 } != nil)
  }
}
