import Autograd
import Glibc
import NeuralNet
import TensorCore

/// Declares the parameters of a VAR transformer under the names of VAR's code, with its starting distributions: normals
/// of deviation sqrt(1 / 3C), of which single layers are made smaller, and biases of zero. (The published code cuts the
/// normals at 2, which no deviation of a real model reaches.)
struct VARBuilder {
  private let configuration: VARConfiguration
  private let store: ParameterStore
  private let deviation: Double

  init(_ configuration: VARConfiguration, _ store: ParameterStore) {
    (self.configuration, self.store) = (configuration, store)
    deviation = (1 / 3.0 / Double(configuration.width)).squareRoot()
  }

  /// - Parameter hidden: number of matrices of hidden layers that it consists of.
  func matrix(_ name: String, _ rows: Int, _ columns: Int, scaledBy factor: Double = 1, hidden: Int = 0)
    -> Variable
  {
    store.declare(
      name + ".weight", [rows, columns], .normal(deviation: factor * deviation), hiddenMatrices: hidden)
  }

  func bias(_ name: String, _ count: Int) -> Variable { store.declare(name + ".bias", [count], .zeros) }

  func layer(_ name: String, _ outputs: Int, _ inputs: Int, scaledBy factor: Double = 1, hidden: Int = 0) -> (
    weight: Variable, bias: Variable
  ) {
    (matrix(name, outputs, inputs, scaledBy: factor, hidden: hidden), bias(name, outputs))
  }

  /// An embedding of positions, which weight decay leaves alone.
  func position(_ name: String, _ shape: [Int]) -> Variable {
    store.declare(name, shape, .normal(deviation: deviation), decays: false)
  }

  func block(_ index: Int) -> VARTransformer.Block {
    let (c, h, name) = (configuration.width, configuration.feedForwardWidth, "blocks.\(index).")
    let small = 1 / (2 * Double(configuration.layers)).squareRoot()
    let logScale =
      configuration.normalizesQueries
      ? store.declare(
        name + "attn.scale_mul_1H11", [1, configuration.heads, 1, 1], .constant(log(4)), decays: false) : nil
    let (projection, projectionBias) = layer(name + "attn.proj", c, c, scaledBy: small, hidden: 1)
    let (fc1, fc1Bias) = layer(name + "ffn.fc1", h, c, hidden: 1)
    let (fc2, fc2Bias) = layer(name + "ffn.fc2", c, h, scaledBy: small, hidden: 1)
    return VARTransformer.Block(
      qkv: matrix(name + "attn.mat_qkv", 3 * c, c, hidden: 3),
      queryBias: store.declare(name + "attn.q_bias", [c], .zeros),
      valueBias: store.declare(name + "attn.v_bias", [c], .zeros), projection: projection,
      projectionBias: projectionBias, fc1: fc1, fc1Bias: fc1Bias, fc2: fc2, fc2Bias: fc2Bias,
      logScale: logScale,
      conditioning: configuration.sharesConditioning ? nil : conditioning(name + "ada_lin.1"),
      conditioningOffset: configuration.sharesConditioning ? conditioningOffset(name + "ada_gss") : nil)
  }

  /// The gates, which come first, start at nearly nothing.
  private func conditioning(_ name: String) -> (weight: Variable, bias: Variable) {
    let c = configuration.width
    let result = layer(name, 6 * c, c)
    scaleGates(of: result.weight, columns: c)
    return result
  }

  private func conditioningOffset(_ name: String) -> Variable {
    let c = configuration.width
    let result = store.declare(
      name, [1, 1, 6, c], .normal(deviation: 1 / Double(c).squareRoot()), decays: false)
    scaleGates(of: result, columns: 1)
    return result
  }

  /// Rows of the two gates times 1e-5, the other four times 0.5.
  private func scaleGates(of variable: Variable, columns: Int) {
    guard store.isSeeded else { return }
    let gates = 2 * configuration.width * columns
    for i in 0..<variable.value.count { variable.value.pointer[i] *= i < gates ? 1e-5 : 0.5 }
  }
}
