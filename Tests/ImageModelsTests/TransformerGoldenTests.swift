import Autograd
import IAR
@testable import ImageModels
import NeuralNet
import StreamFormat
import TensorCore
import Testing
import TestSupport

/// The transformer against LlamaGen's own code run in PyTorch (float32, dropout off): `gpt_tiny`.
@Suite struct TransformerGoldenTests {
  let device = Device(threadCount: 2)
  let golden: Fixture
  let model: Transformer
  let labels: [Int]
  let tokens: [Int]

  init() throws {
    golden = try Fixture("gpt_tiny.safetensors")
    let configuration = TransformerConfiguration(
      layers: 2, heads: 4, width: 64, vocabularySize: 128, gridRows: 4, gridColumns: 4, classCount: 10)
    model = Transformer(configuration, device: device, seed: 0)
    for parameter in model.store.parameters {
      let stored = try golden.record.tensor("param." + parameter.name, shape: parameter.variable.shape)
      try stored.copyFloats(into: parameter.variable.value.buffer)
    }
    labels = try golden.integers("labels")
    tokens = try golden.integers("tokens")
  }

  @Test func parametersAreLlamaGens() {
    #expect(Set(model.store.parameters.map(\.name)) == Set(golden.names(withPrefix: "param.")))
  }

  @Test func rotaryTable() throws {
    expectClose(model.rotation.toArray(), try golden.floats("rope"), relativeToLargest: 1e-6, "rope")
  }

  @Test func logits() throws {
    let logits = model.logits(Tape(device: device, isRecording: false), labels: labels, tokens: tokens)
    expectClose(logits.value.toArray(), try golden.floats("logits"), relativeToLargest: 1e-4, "logits")
  }

  @Test func lossAndAllGradients() throws {
    let tape = Tape(device: device)
    let result = model.loss(tape, labels: labels, tokens: tokens, TokenLoss())
    let expected = Double(try golden.floats("loss")[0])
    #expect(abs(result.tokenLoss - expected) <= 1e-5 * expected)
    tape.backward(from: result.loss)
    for parameter in model.store.parameters {
      let gradient = try #require(parameter.variable.gradient, "\(parameter.name) has no gradient")
      expectClose(
        gradient.toArray(), try golden.floats("grad." + parameter.name), relativeToNorm: 1e-3, parameter.name)
    }
  }

  @Test func clusterLossesAndGradient() throws {
    let logits = Variable(try golden.tensor("logits", device), requiresGradient: true)
    let tape = Tape(device: device)
    let result = tape.crossEntropy(logits, targets: tokens, ClusterLoss(clusterSize: 16))
    let (token, cluster) = (
      Double(try golden.floats("iar.token_loss")[0]), Double(try golden.floats("iar.cluster_loss")[0])
    )
    #expect(abs(result.tokenLoss - token) <= 1e-5 * token)
    #expect(abs(result.clusterLoss - cluster) <= 1e-5 * cluster)
    tape.backward(from: result.loss)
    let gradient = try #require(logits.gradient)
    expectClose(
      gradient.toArray(), try golden.floats("iar.grad_logits"), relativeToNorm: 1e-3, "d logits")
  }

  @Test func fiveAdamWSteps() throws {
    let optimizer = Optimizer(model.store)
    let losses = try golden.floats("adamw.losses")
    let norms = try golden.floats("adamw.grad_norms")
    for step in 0..<5 {
      let tape = Tape(device: device)
      let result = model.loss(tape, labels: labels, tokens: tokens, TokenLoss())
      tape.backward(from: result.loss)
      let norm = optimizer.gradientNorm()
      #expect(
        abs(result.tokenLoss - Double(losses[step])) <= 1e-3 * Double(losses[step]), "loss of step \(step)")
      #expect(abs(norm - Double(norms[step])) <= 1e-2 * Double(norms[step]), "gradient norm of step \(step)")
      optimizer.step(learningRate: 1e-2, gradientNorm: norm)
    }
  }

  @Test(arguments: [1.0, 2.5]) func greedyGeneration(scale: Double) throws {
    let generator = TokenGenerator(model)
    let drawn = try generator.generate(
      labels: labels, imageIndices: [0, 1, 2], guidance: Guidance(scale: scale),
      draw: DrawOptions(temperature: 0), seed: 0)
    #expect(try drawn?.flatMap { $0 } == golden.integers("greedy.cfg\(scale)"))
  }
}
