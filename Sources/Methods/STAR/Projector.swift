import Autograd
import NeuralNet

/// The projector of self-guided training (ST-AR 3.3.2): a perceptron on the features of the student. Its
/// output is compared with the unprojected features of the teacher. A finished model does not contain it.
///
/// RMSNorm, then `layers` linear layers with biases and silu between them; from the model's width to itself.
public struct Projector {
  private let norm: Variable?
  private let layers: [(weight: Variable, bias: Variable)]

  /// Declares the parameters in `store`, under `projector.`.
  /// - Parameters:
  ///   - width: channels of the features, in and out.
  ///   - hiddenWidth: channels between two layers.
  ///   - layers: number of linear layers; 0 leaves the features as they are.
  public init(_ store: ParameterStore, width: Int, hiddenWidth: Int, layers: Int) {
    precondition(
      width > 0 && hiddenWidth > 0 && layers >= 0, "Projector: \(layers) layers, \(hiddenWidth) wide")
    norm = layers > 0 ? store.declare("projector.norm.weight", [width], .ones) : nil
    self.layers = (0..<layers).map { i in
      let (inputs, outputs) = (i == 0 ? width : hiddenWidth, i == layers - 1 ? width : hiddenWidth)
      let name = "projector.layers.\(i)."
      return (
        store.declare(name + "weight", [outputs, inputs], .fanIn(inputs), hiddenMatrices: 1),
        store.declare(name + "bias", [outputs], .fanIn(inputs))
      )
    }
  }

  /// Projected features [n, C] of x [n, C].
  public func apply(_ tape: Tape, to x: Variable) -> Variable {
    guard let norm else { return x }
    var y = tape.rmsNorm(x, weight: norm, epsilon: 1e-5)
    for (index, layer) in layers.enumerated() {
      y = tape.linear(index == 0 ? y : tape.silu(y), weight: layer.weight, bias: layer.bias)
    }
    return y
  }
}
