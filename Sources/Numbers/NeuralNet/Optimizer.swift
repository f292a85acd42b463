import Autograd
import TensorCore

/// Moves the parameters of a store against their gradients, which it clips by their global norm: by ``Rule/adamW``, or by
/// ``Rule/muon`` where a parameter is a hidden matrix.
public final class Optimizer {
  /// How a step follows from the gradients.
  public enum Rule: String, Sendable, Codable, CaseIterable {
    /// Adam with decoupled weight decay, for all parameters.
    case adamW = "adamw"
    /// Muon for hidden matrices, AdamW for all others.
    case muon
  }

  /// The constants of the method.
  public struct Options: Sendable, Equatable, Codable {
    /// Nil stands for AdamW.
    public var rule: Rule?
    /// Decay of AdamW's first moment.
    public var beta1: Float = 0.9
    /// Decay of AdamW's second moment.
    public var beta2: Float = 0.95
    /// Added to the root of AdamW's second moment.
    public var epsilon: Float = 1e-8
    /// Decoupled decay on tensors of two or more dimensions.
    public var weightDecay: Float = 0.05
    /// Largest global gradient norm; 0 turns clipping off.
    public var clip: Float = 1

    /// LlamaGen's constants.
    public init() {}

    /// The same for a discriminator: LlamaGen trains it by Adam.
    public var withoutDecay: Options {
      var options = self
      (options.rule, options.weightDecay) = (nil, 0)
      return options
    }
  }

  /// The constants in use.
  public let options: Options
  private let device: Device
  private let parameters: [Parameter]
  /// First and second moments, in parameter order: a checkpoint holds them. Muon has no second one: it is empty.
  public let moments: [(first: Tensor, second: Tensor)]
  /// Steps taken so far; a checkpoint holds it.
  public var stepCount = 0
  private let muon: Muon?

  /// An optimiser with zero moments for all parameters of a store.
  public init(_ store: ParameterStore, options: Options = Options()) {
    device = store.device
    parameters = store.parameters
    self.options = options
    let muon = options.rule == .muon ? Muon(store) : nil
    self.muon = muon
    moments = store.parameters.map {
      let shape = $0.variable.shape
      return (store.device.zeros(shape), store.device.zeros(muon != nil && $0.isHiddenMatrix ? [0] : shape))
    }
  }

  /// The norm of all gradients together; not finite when any of them is not.
  public func gradientNorm() -> Double {
    var total = 0.0
    for parameter in parameters where parameter.variable.requiresGradient {
      guard let gradient = parameter.variable.gradient else { continue }
      total += device.sumOfSquares(gradient)
    }
    return total.squareRoot()
  }

  /// Takes one step with the gradients that are there, then forgets them. Parameters without a gradient
  /// and frozen ones stay as they are.
  /// - Parameter gradientNorm: what `gradientNorm()` returned; decides the clipping.
  public func step(learningRate: Float, gradientNorm: Double) {
    stepCount += 1
    let clipped = options.clip > 0 && gradientNorm > Double(options.clip)
    let scale = clipped ? Float(Double(options.clip) / (gradientNorm + 1e-6)) : 1
    let adamW = AdamW(options, gradientScale: scale, rate: learningRate, step: stepCount)
    var matrices: [Muon.Matrix] = []
    for (parameter, moment) in zip(parameters, moments) where parameter.variable.requiresGradient {
      guard let gradient = parameter.variable.gradient else { continue }
      let decay = parameter.decays ? options.weightDecay : 0
      if muon != nil, parameter.isHiddenMatrix {
        matrices += Muon.matrices(
          of: parameter, moment.first, gradient, gradientScale: scale, rate: learningRate, decay: decay)
      } else {
        adamW.step(parameter.variable.value, moment, gradient, decay: decay, on: device)
      }
    }
    muon?.step(matrices, on: device)
    for parameter in parameters where parameter.variable.requiresGradient {
      parameter.variable.clearGradient()
    }
  }
}

extension Device {
  /// Sum of squares in double precision; the same bytes for any number of threads.
  public func sumOfSquares(_ x: Tensor) -> Double {
    let grain = 16384
    var partial = [Double](repeating: 0, count: (x.count + grain - 1) / grain)
    partial.withUnsafeMutableBufferPointer { partial in
      let sums = partial.baseAddress!
      forRanges(x.count, grain: grain) { range in
        for start in stride(from: range.lowerBound, to: range.upperBound, by: grain) {
          sums[start / grain] = sumOfSquaresSerially(
            x.pointer + start, count: min(grain, range.upperBound - start))
        }
      }
    }
    return partial.reduce(0, +)
  }
}
