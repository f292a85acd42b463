import Autograd
import IAR
import ImageModels
import StreamFormat
import TensorCore
import Testing
import TestSupport

@testable import VAR

/// Both of VAR's transformers against its own code (float32): `var_transformer_tiny`, and with one conditioning layer for
/// all blocks `var_transformer_shared_aln_tiny`, on the tokenizer of `var_tokenizer_tiny`.
@Suite struct VARTransformerGoldenTests {
  private let device = Device(threadCount: 2)

  private struct Golden {
    let fixture: Fixture
    let model: VARTransformer
    let tokenizer: Tokenizer
    let clusterSize: Int

    init(_ name: String, _ device: Device) throws {
      fixture = try Fixture(name + "_tiny.safetensors")
      tokenizer = try TokenizerFixture().model(device)
      let isShared = name.hasSuffix("aln")
      clusterSize = isShared ? 16 : 8
      model = VARTransformer(
        VARConfiguration(
          layers: 2, heads: isShared ? 2 : 4, width: 32, vocabularySize: 64, codeDimension: 8, classCount: 10,
          multiScale: MultiScaleConfiguration(scales: [1, 2, 3, 4]), sharesConditioning: isShared),
        device: device,
        seed: 0)
      for parameter in model.store.parameters {
        let stored = try fixture.record.tensor("param." + parameter.name, shape: parameter.variable.shape)
        try stored.copyFloats(into: parameter.variable.value.buffer)
      }
      model.adopt(tokenizer)
    }

    func integers(_ name: String) throws -> [Int] { try fixture.integers(name) }
    func floats(_ name: String) throws -> [Float] { try fixture.floats(name) }
  }

  static let names = ["var_transformer", "var_transformer_shared_aln"]

  @Test(arguments: names) func parametersAreThePublishedOnes(name: String) throws {
    let golden = try Golden(name, device)
    #expect(Set(golden.model.store.parameters.map(\.name)) == Set(golden.fixture.names(withPrefix: "param.")))
    #expect(golden.model.store.scalarCount == golden.model.configuration.scalarCount)
    #expect(golden.model.frozen.scalarCount == golden.model.configuration.frozenCount)
    #expect(golden.model.codebookSHA256 == golden.tokenizer.codebookSHA256)
  }

  @Test(arguments: names) func logitsAndLosses(name: String) throws {
    let golden = try Golden(name, device)
    let (labels, tokens) = (try golden.integers("labels"), try golden.integers("tokens"))
    let tape = Tape(device: device, isRecording: false)
    expectClose(
      golden.model.quantizer.inputs(tape, of: tokens).toArray(), try golden.floats("x_BLCv_wo_first_l"),
      relativeToLargest: 1e-4, "inputs")
    var first: [Float] = []
    let hidden = golden.model.hidden(tape, labels: labels, tokens: tokens) { index, x in
      if index == 0 { first = x.value.toArray() }
    }
    if name == Self.names[0] {
      expectClose(first, try golden.floats("inside.after_block0"), relativeToLargest: 1e-4, "block 0")
      expectClose(
        hidden.value.toArray(), try golden.floats("inside.head_input"), relativeToLargest: 1e-4, "head input")
    }
    let logits = golden.model.logits(tape, labels: labels, tokens: tokens)
    expectClose(logits.value.toArray(), try golden.floats("logits"), relativeToLargest: 1e-4, "logits")
    for (loss, expected) in [
      (golden.model.loss(tape, labels: labels, tokens: tokens, TokenLoss()), "loss"),
      (
        golden.model.loss(tape, labels: labels, tokens: tokens, TokenLoss(labelSmoothing: 0.1)),
        "loss_label_smoothing_0.1"
      ),
    ] {
      expectLoss(Double(loss.loss.value.scalar), try golden.floats(expected)[0], expected)
    }
    let cluster = golden.model.loss(
      tape, labels: labels, tokens: tokens,
      ClusterLoss(labelSmoothing: 0, clusterSize: golden.clusterSize, clusterWeight: 1))
    expectLoss(cluster.tokenLoss, try golden.floats("iar.token_loss")[0], "token loss")
    expectLoss(cluster.additionalLoss, try golden.floats("iar.cluster_loss")[0], "cluster loss")
    try expectScaleLosses(golden, logits.value, tokens)
  }

  private func expectScaleLosses(_ golden: Golden, _ logits: Tensor, _ tokens: [Int]) throws {
    let expected = try golden.floats("loss_per_scale")
    let (offsets, v) = ([0, 1, 5, 14, 30], 64)
    for scale in 0..<4 {
      var (rows, targets): ([Float], [Int]) = ([], [])
      for image in 0..<logits.shape[0] {
        let range = image * 30 + offsets[scale]..<image * 30 + offsets[scale + 1]
        targets += tokens[range]
        rows += UnsafeBufferPointer(start: logits.pointer + range.lowerBound * v, count: range.count * v)
      }
      let loss = Tape(device: device, isRecording: false).crossEntropy(
        Variable(device.tensor(rows, [targets.count, v])), targets: targets)
      expectLoss(loss.tokenLoss, expected[scale], "scale \(scale)")
    }
  }

  @Test(arguments: names) func gradients(name: String) throws {
    let golden = try Golden(name, device)
    let tape = Tape(device: device)
    let loss = golden.model.loss(
      tape, labels: try golden.integers("labels"), tokens: try golden.integers("tokens"), TokenLoss())
    tape.backward(from: loss.loss)
    for parameter in golden.model.store.parameters {
      let gradient = try #require(parameter.variable.gradient, "\(parameter.name) has no gradient")
      expectClose(
        gradient.toArray(), try golden.floats("grad." + parameter.name), relativeToNorm: 1e-3, floor: 1e-7,
        parameter.name)
    }
    #expect(golden.model.frozen.parameters.allSatisfy { $0.variable.gradient == nil })
  }

  /// IAR's loss on given logits, with the gradient of the cluster loss alone and of the sum.
  @Test func gradientsOfTheClusterLoss() throws {
    let golden = try Golden(Self.names[0], device)
    let targets = try golden.integers("tokens")
    for (weight, name) in [(Float(1), "iar.grad_logits"), (0, "")] {
      let logits = Variable(
        device.tensor(try golden.floats("logits"), [3, 30, 64]), requiresGradient: true)
      let tape = Tape(device: device)
      let loss = tape.crossEntropy(
        logits, targets: targets, ClusterLoss(labelSmoothing: 0, clusterSize: 8, clusterWeight: weight))
      tape.backward(from: loss.loss)
      let gradient = try #require(logits.gradient).toArray()
      let expected: [Float] =
        name.isEmpty
        ? zip(try golden.floats("iar.grad_logits"), try golden.floats("iar.grad_logits_cluster")).map {
          $0 - $1
        }
        : try golden.floats(name)
      expectClose(gradient, expected, relativeToNorm: 1e-3, "weight \(weight)")
    }
  }

  @Test(arguments: names, [(1.5, "greedy.cfg1.5"), (4.0, "greedy.cfg4.0")])
  func greedyTokens(name: String, guided: (cfg: Double, prefix: String)) throws {
    let golden = try Golden(name, device)
    let labels = try golden.integers("greedy.labels")
    let tokens = try golden.integers(guided.prefix + ".tokens")
    let guidance = Guidance(scale: 1 + guided.cfg, schedule: .linear)
    let generator = ScaleGenerator(golden.model)
    let drawn = try #require(
      try generator.generate(
        labels: labels, imageIndices: [0, 1], guidance: guidance, draw: DrawOptions(temperature: 0), seed: 0))
    #expect(drawn.flatMap { $0 } == tokens)
    var logits: [Float] = []
    for label in labels {
      _ = try generator.drawOne(label: label, guidance: guidance) { position, row in
        logits += row
        return row.indices.max { row[$0] < row[$1] } ?? 0
      }
    }
    expectClose(
      logits, try golden.floats(guided.prefix + ".guided_logits"), relativeToLargest: 1e-4, "guided logits")
    let sum = golden.model.quantizer.latents(Tape(device: device, isRecording: false), of: tokens)
    expectClose(
      sum.value.toArray(), try golden.fixture.channelsLast(guided.prefix + ".f_hat", device).toArray(),
      relativeToLargest: 1e-4, "f_hat")
  }

  /// What is drawn for an image depends neither on the images beside it nor on their number.
  @Test func anImageInAnyBatch() throws {
    let golden = try Golden(Self.names[0], device)
    let generator = ScaleGenerator(golden.model)
    func draw(_ labels: [Int], _ indices: [Int]) throws -> [[Int]] {
      try #require(
        try generator.generate(
          labels: labels, imageIndices: indices, guidance: Guidance(scale: 2, schedule: .linear),
          draw: DrawOptions(topK: 30, topP: 0.9), seed: 5))
    }
    let whole = try draw([3, 8, 10], [0, 1, 2])
    #expect(try [draw([10], [2])[0], draw([8], [1])[0]] == [whole[2], whole[1]])
    #expect(try whole[0] != draw([3], [7])[0])
    let stopped = try generator.generate(
      labels: [1], imageIndices: [0], guidance: Guidance(scale: 1), draw: DrawOptions(), seed: 0,
      interrupted: { true })
    #expect(stopped == nil)
  }

  /// The logits are the same bytes with any number of threads.
  @Test func anyNumberOfThreads() throws {
    func logits(threads: Int) throws -> [Float] {
      let golden = try Golden(Self.names[0], Device(threadCount: threads))
      var all: [Float] = []
      _ = try ScaleGenerator(golden.model).drawOne(label: 3, guidance: Guidance(scale: 2)) { _, row in
        all += row
        return row.indices.max { row[$0] < row[$1] } ?? 0
      }
      return all
    }
    let one = try logits(threads: 1)
    for threads in [2, 3] { #expect(try logits(threads: threads) == one, "\(threads) threads") }
  }

  /// With the cache and without it, the model gives the same logits.
  @Test func theCacheChangesNothing() throws {
    let golden = try Golden(Self.names[1], device)
    let tokens = Array(try golden.integers("tokens").prefix(30))
    let label = try golden.integers("labels")[0]
    var logits: [Float] = []
    _ = try ScaleGenerator(golden.model).drawOne(label: label, guidance: Guidance(scale: 1)) {
      position, row in
      logits += row
      return tokens[position]
    }
    expectClose(
      logits, Array(try golden.floats("logits").prefix(30 * 64)), relativeToLargest: 1e-4, "logits")
  }

  @Test(arguments: names) func aFileKeepsTheModel(name: String) throws {
    let golden = try Golden(name, device)
    let description = ModelDescription(
      codebookSHA256: golden.tokenizer.codebookSHA256, classNames: [], clusterSize: 8)
    let record = try golden.model.record(description: description)
    let (read, found) = try VARTransformer.read(record, device: device)
    #expect(found == description && read.configuration == golden.model.configuration)
    #expect(try read.record(description: found).tensors.map(\.bytes) == record.tensors.map(\.bytes))
    func defect(_ change: (inout Record) throws -> Void) throws -> FormatError.Defect? {
      var changed = record
      try change(&changed)
      return #expect(throws: FormatError.self) { try VARTransformer.read(changed, device: device) }?.defect
    }
    func sizes(_ change: (inout VARConfiguration) -> Void) throws -> FormatError.Defect? {
      try defect { record in
        var configuration = golden.model.configuration
        change(&configuration)
        record.metadata["config"] = try sortedJSON(configuration)
      }
    }
    #expect(try defect { $0.metadata["codebook_sha256"] = "00" } == .badMetadata)
    #expect(try defect { $0.metadata["cluster_size"] = "7" } == .badMetadata)
    #expect(try defect { $0.metadata["kind"] = "ar-model" } == .wrongKind)
    #expect(try defect { $0.tensors.removeAll { $0.name == "head.bias" } } == .missingTensor)
    #expect(
      try defect { $0.tensors.removeAll { $0.name == "quantize.quant_resi.qresi_ls.1.weight" } }
        == .missingTensor)
    #expect(
      try defect { $0.tensors.append(StoredTensor(name: "x", shape: [1], floats: [1] as [Float])) }
        == .unexpectedTensor)
    #expect(try sizes { $0.heads = 3 } == .badMetadata && sizes { $0.layers = 512 } == .badMetadata)
    #expect(
      try sizes { $0.width = 1 << 16 } == .badMetadata && sizes { $0.feedForwardRatio = -1 } == .badMetadata)
    #expect(try sizes { $0.multiScale.scales = [4, 1] } == .badMetadata)
    #expect(try sizes { $0.layers = 3 } == .missingTensor)
  }

  private func expectLoss(_ actual: Double, _ expected: Float, _ name: String) {
    #expect(
      abs(actual - Double(expected)) <= 1e-5 * abs(Double(expected)),
      "\(name): \(actual), expected \(expected)")
  }
}

/// How a model starts.
@Suite struct VARTransformerStartTests {
  @Test(arguments: [false, true]) func publishedStartingDistributions(isShared: Bool) {
    let configuration = VARConfiguration(
      layers: 2, heads: 4, width: 192, vocabularySize: 100, codeDimension: 8, classCount: 10,
      multiScale: MultiScaleConfiguration(scales: [1, 2, 4]), sharesConditioning: isShared)
    let model = VARTransformer(configuration, device: Device(threadCount: 1), seed: 4)
    let own = 1 / Double(3 * 192).squareRoot()
    func deviation(_ name: String, _ range: Range<Int>? = nil) -> Double {
      let values = model.store.parameters.first { $0.name == name }!.variable.value.toArray()
      let part = range.map { Array(values[$0]) } ?? values
      return (part.reduce(0) { $0 + Double($1) * Double($1) } / Double(part.count)).squareRoot()
    }
    func expect(_ name: String, _ value: Double, _ range: Range<Int>? = nil) {
      #expect(abs(deviation(name, range) / value - 1) < 0.1, "\(name): \(deviation(name, range)), \(value)")
    }
    expect("class_emb.weight", own)
    expect("pos_1LC", own)
    expect("blocks.1.attn.mat_qkv.weight", own)
    expect("blocks.1.attn.proj.weight", own / 2)
    expect("blocks.0.ffn.fc2.weight", own / 2)
    expect("head.weight", own * 0.02)
    expect("head_nm.ada_lin.1.weight", own * 0.5)
    expect("blocks.0.attn.scale_mul_1H11", 1.3862943611)
    let (gates, name) = (2 * 192, isShared ? "blocks.0.ada_gss" : "blocks.0.ada_lin.1.weight")
    let (columns, base) = isShared ? (1, 1 / 192.0.squareRoot()) : (192, own)
    expect(name, base * 1e-5, 0..<gates * columns)
    expect(name, base * 0.5, gates * columns..<6 * 192 * columns)
    let undecayed = model.store.parameters.filter { !$0.decays }.map(\.name)
    #expect(
      undecayed.allSatisfy {
        $0.hasSuffix("bias") || $0.hasPrefix("pos_") || $0 == "lvl_embed.weight" || $0.hasSuffix("ada_gss")
          || $0.hasSuffix("scale_mul_1H11")
      } && undecayed.contains("pos_1LC"), "\(undecayed)")
  }

  /// VAR's table 1 (d16 to d30), in millions.
  @Test(arguments: [("VAR-d16", 310.0), ("VAR-d20", 600), ("VAR-d24", 1000), ("VAR-d30", 2000)])
  func publishedParameterCounts(name: String, millions: Double) throws {
    let (layers, heads, width) = try #require(VARConfiguration.named[name])
    let configuration = VARConfiguration(
      layers: layers, heads: heads, width: width, vocabularySize: 4096, codeDimension: 32, classCount: 1000,
      multiScale: .published256)
    #expect(configuration.problem == nil)
    #expect(
      abs(Double(configuration.scalarCount) / 1e6 / millions - 1) < 0.04, "\(configuration.scalarCount)")
  }
}
