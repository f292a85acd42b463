import Autograd
import Glibc
@testable import ImageModels
import StreamFormat
import TensorCore
import Testing
import TestSupport

/// FSQ and LFQ against the published formulas.
@Suite struct GridQuantizerTests {
  private let device = Device(threadCount: 2)

  private static func sizes(_ grid: GridQuantizerConfiguration, codes: Int, dimension: Int)
    -> TokenizerConfiguration
  {
    TokenizerConfiguration(
      channels: 4, multipliers: [1, 1], residualBlocks: 1, zChannels: 4, codebookSize: codes,
      codeDimension: dimension, groups: 2, imageSize: 8, quantizer: grid)
  }

  private static func finite(_ levels: [Int]) -> TokenizerConfiguration {
    sizes(.finiteScalar(levels: levels), codes: levels.reduce(1, *), dimension: levels.count)
  }

  private static func lookupFree(_ d: Int) -> TokenizerConfiguration {
    sizes(.lookupFree, codes: 1 << d, dimension: d)
  }

  private func tokenizer(_ sizes: TokenizerConfiguration) -> Tokenizer {
    Tokenizer(sizes, device: device, seed: 5)
  }

  /// The published `bound`, rounding and `codes_to_indexes`, in double; and how far from a tie the rounding was.
  private func published(_ z: ArraySlice<Float>, _ levels: [Int]) -> (
    code: [Float], index: Int, margin: Double
  ) {
    var (code, index, basis, margin): ([Float], Int, Int, Double) = ([], 0, 1, 1)
    for (value, l) in zip(z, levels) {
      let half = Double(l - 1) * (1 - 1e-3) / 2
      let offset = l % 2 == 1 ? 0 : 0.5
      let bounded = tanh(Double(value) + tan(offset / half)) * half - offset
      let rounded = bounded.rounded(.toNearestOrEven)
      margin = min(margin, 0.5 - abs(bounded - rounded))
      code.append(Float(rounded) / Float(l / 2))
      index += (Int(rounded) + l / 2) * basis
      basis *= l
    }
    return (code, index, margin)
  }

  @Test(arguments: [[2], [3], [4], [5], [8, 5], [7, 6, 5], [2, 3, 4, 5, 6], [8, 8, 8, 5, 5], [16], [101]])
  func finiteScalarsAreThePublishedOnes(levels: [Int]) {
    let model = tokenizer(Self.finite(levels))
    let d = levels.count
    let latents = device.random([4, 10, 10, d], 1, deviation: 2)
    let found = model.quantize(Tape(device: device, isRecording: false), Variable(latents))
    let (z, vectors) = (latents.toArray(), found.vectors.value.toArray())
    for i in 0..<400 {
      let expected = published(z[i * d..<(i + 1) * d], levels)
      if expected.margin < 1e-5 { continue }
      #expect(found.indices[i] == expected.index)
      #expect(Array(vectors[i * d..<(i + 1) * d]) == expected.code)
    }
    #expect(model.quantizer.indices(of: latents, on: device) == found.indices)
    #expect(found.codebookLoss == nil && found.commitmentLoss == nil && found.entropy == nil)
    #expect(found.losses(commitment: 1, codebook: 1, entropy: nil).isEmpty)
  }

  /// Every level of every dimension is reached, also the ends.
  @Test(arguments: [2, 3, 4, 5, 8, 15, 16]) func allLevelsAreReached(level: Int) {
    let model = tokenizer(Self.finite([level, 3]))
    let latents = device.tensor((0..<4000).flatMap { [Float($0 - 2000) / 200, 0] }, [1, 4000, 1, 2])
    let found = model.quantizer.indices(of: latents, on: device)
    // The second component is the middle one of three.
    #expect(Set(found) == Set((0..<level).map { level + $0 }))
    #expect(found == found.sorted())
  }

  @Test func codesAreNumberedAsPublished() {
    let model = tokenizer(Self.finite([4, 3]))
    #expect(
      Array(model.codebook.value.toArray().prefix(12)) == [-1, -1, -0.5, -1, 0, -1, 0.5, -1, -1, 0, -0.5, 0])
    let signs = tokenizer(Self.lookupFree(3)).codebook.value.toArray()
    #expect(Array(signs.prefix(12)) == [-1, -1, -1, 1, -1, -1, -1, 1, -1, 1, 1, -1])
    #expect(!model.codebook.requiresGradient)
  }

  @Test(arguments: [1, 2, 5, 10]) func signsAreThePublishedOnes(d: Int) throws {
    let model = tokenizer(Self.lookupFree(d))
    var values = device.random([2, 8, 8, d], 2).toArray()
    // A latent of 0, and one so long that the distances to two codes are equal in float32.
    values[0] = 0
    if d > 1 { (values[d], values[d + 1]) = (1e8, -1e-8) }
    let latents = device.tensor(values, [2, 8, 8, d])
    let variable = Variable(latents, requiresGradient: true)
    let tape = Tape(device: device)
    let found = model.quantize(tape, variable, entropy: EntropyTerm(weight: 1, temperature: 1))
    for i in 0..<128 {
      let bits = (0..<d).map { values[i * d + $0] > 0 }
      #expect(found.indices[i] == bits.enumerated().reduce(0) { $0 + ($1.element ? 1 << $1.offset : 0) })
      #expect(
        Array(found.vectors.value.toArray()[i * d..<(i + 1) * d]) == bits.map { $0 ? 1 : -1 })
    }
    #expect(found.codebookLoss == nil && found.commitmentLoss != nil)
    let entropy = try #require(found.entropy)
    #expect(entropy.codeEntropy <= Double(d) * log(2) + 1e-5 && entropy.sampleEntropy <= entropy.codeEntropy)
  }

  /// The gradient by the codes goes to the bounded latents (FSQ) or to the latents themselves (LFQ).
  @Test func gradientsPassStraightThrough() throws {
    let weights = device.random([1, 4, 4, 3], 4)
    func gradient(_ sizes: TokenizerConfiguration, _ z: Tensor) throws -> [Float] {
      let (tape, latents) = (Tape(device: device), Variable(z, requiresGradient: true))
      let found = tokenizer(sizes).quantize(tape, latents)
      tape.backward(from: tape.dot(found.vectors, weights))
      return try #require(latents.gradient).toArray()
    }
    let z = device.random([1, 4, 4, 3], 3)
    #expect(try gradient(Self.lookupFree(3), z) == weights.toArray())
    let (tape, latents) = (Tape(device: device), Variable(z, requiresGradient: true))
    tape.backward(from: tape.dot(tape.boundToLevels(latents, levels: [8, 5, 4]), weights))
    #expect(try gradient(Self.finite([8, 5, 4]), z) == #require(latents.gradient).toArray())
  }

  @Test func commitmentHasItsGradient() {
    let model = tokenizer(Self.lookupFree(3))
    // Away from the sign's step.
    let z = device.tensor([0.5, -0.4, 1.5, -2, 0.3, -0.7], [1, 1, 2, 3])
    checkGradients(device, of: [z]) { model.quantize($0, $1[0]).commitmentLoss! }
  }

  // MARK: Files

  @Test(arguments: [finite([5, 4, 3]), lookupFree(5)]) func filesAreReadAgain(sizes: TokenizerConfiguration)
    throws
  {
    let model = tokenizer(sizes)
    let record = try model.record()
    let text = try #require(record.metadata["config"])
    // A reader that does not know the quantizer misses l2_norm.
    #expect(text.contains(#""quantizer":{"kind":"#) && !text.contains("l2_norm"))
    let again = try Tokenizer(record, device: device)
    #expect(again.configuration == sizes && again.codebookSHA256 == model.codebookSHA256)
    #expect(!again.codebook.requiresGradient)
    #expect(sizes.scalarCount == model.store.scalarCount)
  }

  @Test(arguments: [finite([5, 4, 3]), lookupFree(5)]) func codesCanHaveAnotherOrder(
    sizes: TokenizerConfiguration
  ) throws {
    let (model, d) = (tokenizer(sizes), sizes.codeDimension)
    let codes = model.codebook.value.toArray()
    let order = (0..<sizes.codebookSize).map { $0 * 7 % sizes.codebookSize }
    let other = try Tokenizer(model.record(), device: device)
    other.codebook.value.copyElements(
      from: device.tensor(order.flatMap { codes[$0 * d..<($0 + 1) * d] }, [order.count, d]))
    let again = try Tokenizer(other.record(), device: device)
    let images = device.random([2, 8, 8, 3], 6)
    let (before, after) = (try model.tokens(of: images), try again.tokens(of: images))
    #expect(after.map { order[$0] } == before)
    #expect(
      try model.images(of: before, rows: 4, columns: 4).toArray()
        == again.images(of: after, rows: 4, columns: 4).toArray())
  }

  @Test(arguments: [finite([5, 4, 3]), lookupFree(5)]) func otherCodesAreRefused(
    sizes: TokenizerConfiguration
  )
    throws
  {
    for change in 0..<3 {
      let model = tokenizer(sizes)
      let codes = model.codebook.value
      switch change {
      case 0: codes.pointer[0] = 0.9
      case 1: codes.pointer[1] = 1e30
      // A code twice.
      default: codes.pointer.update(from: codes.pointer + sizes.codeDimension, count: sizes.codeDimension)
      }
      let error = #expect(throws: FormatError.self) { try Tokenizer(model.record(), device: device) }
      #expect(error?.description.contains("each code of \(sizes.quantizer!.kind.rawValue) once") == true)
    }
  }

  @Test func malformedConfigurationsAreRefused() throws {
    let record = try tokenizer(Self.finite([4, 3])).record()
    let good = try #require(record.metadata["config"])
    let grid = #""quantizer":{"kind":"fsq","levels":[4,3]}"#
    #expect(good.contains(grid))
    for other in [
      #""quantizer":{"kind":"fsq"}"#, #""quantizer":{"kind":"fsq","levels":[]}"#,
      #""quantizer":{"kind":"fsq","levels":[4,4]}"#, #""quantizer":{"kind":"fsq","levels":[12,1]}"#,
      #""quantizer":{"kind":"fsq","levels":[-4,-3]}"#, #""quantizer":{"kind":"fsq","levels":[12]}"#,
      #""quantizer":{"kind":"fsq","levels":[1048576,1048576]}"#, #""quantizer":{"kind":"lfq"}"#,
      #""quantizer":{"kind":"lfq","levels":[4,3]}"#, #""quantizer":{"kind":"bsq","levels":[4,3]}"#,
      #""quantizer":{"levels":[4,3]}"#, #""quantizer":null"#, #""quantizer":"fsq""#,
      grid + #","l2_norm":false"#,
      grid + #","multi_scale":{"scales":[1,4],"phi_count":0,"residual_ratio":0,"znorm":false}"#,
    ] {
      var damaged = record
      damaged.metadata["config"] = good.replacing(grid, with: other)
      #expect(throws: FormatError.self, "\(other)") { try Tokenizer(damaged, device: device) }
    }
    // And without a quantizer, l2_norm is needed as ever.
    var plain = record
    plain.metadata["config"] = good.replacing(grid + ",", with: "").replacing("," + grid, with: "")
    let error = #expect(throws: FormatError.self) { try Tokenizer(plain, device: device) }
    #expect(error?.description.contains("l2_norm") == true)
  }

  @Test func configurationsWithoutItKeepTheirBytes() throws {
    let text = try sortedJSON(TokenizerConfiguration())
    #expect(text.contains(#""l2_norm":true"#) && !text.contains("quantizer"))
  }
}
