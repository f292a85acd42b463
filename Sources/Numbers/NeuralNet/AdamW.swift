import Autograd
import CKernels
import Glibc
import TensorCore

/// Adam with decoupled weight decay (Loshchilov and Hutter, 2019) and clipping by global norm.
public final class AdamW {
  /// The constants of the method.
  public struct Options: Sendable, Equatable, Codable {
    /// Decay of the first moment.
    public var beta1: Float = 0.9
    /// Decay of the second moment.
    public var beta2: Float = 0.95
    /// Added to the root of the second moment.
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
      options.weightDecay = 0
      return options
    }
  }

  /// The constants in use.
  public let options: Options
  private let device: Device
  private let parameters: [Parameter]
  /// First and second moments, in parameter order: a checkpoint holds them.
  public let moments: [(first: Tensor, second: Tensor)]
  /// Steps taken so far; a checkpoint holds it.
  public var stepCount = 0

  /// An optimiser with zero moments for all parameters of a store.
  public init(_ store: ParameterStore, options: Options = Options()) {
    device = store.device
    parameters = store.parameters
    self.options = options
    moments = store.parameters.map {
      (store.device.zeros($0.variable.shape), store.device.zeros($0.variable.shape))
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
    let correction1 = biasCorrection(options.beta1)
    let correction2 = biasCorrection(options.beta2)
    for (parameter, moment) in zip(parameters, moments) where parameter.variable.requiresGradient {
      guard let gradient = parameter.variable.gradient else { continue }
      let decay = parameter.decays ? options.weightDecay : 0
      device.forRanges(gradient.count, grain: 4096) {
        let i = $0.lowerBound
        tsr_adamw(
          parameter.variable.value.pointer + i, moment.first.pointer + i, moment.second.pointer + i,
          gradient.pointer + i, scale, learningRate, options.beta1, options.beta2, options.epsilon, decay,
          correction1, correction2, $0.count)
      }
      parameter.variable.clearGradient()
    }
  }

  /// 1 - beta^t, in double: near 1, a float power would leave few digits of the difference.
  private func biasCorrection(_ beta: Float) -> Float { Float(1 - pow(Double(beta), Double(stepCount))) }
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
          let first = x.pointer + start
          sums[start / grain] = tsr_dot(first, first, min(grain, range.upperBound - start))
        }
      }
    }
    return partial.reduce(0, +)
  }
}
