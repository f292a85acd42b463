import CKernels
import Glibc
import TensorCore

/// Adam with decoupled weight decay (Loshchilov and Hutter, 2019): the constants of one step.
struct AdamW {
  private let options: Optimizer.Options
  private let gradientScale, rate: Float
  private let correction1, correction2: Float

  /// - Parameters:
  ///   - gradientScale: what gradients are multiplied with first.
  ///   - step: counted from 1.
  init(_ options: Optimizer.Options, gradientScale: Float, rate: Float, step: Int) {
    (self.options, self.gradientScale, self.rate) = (options, gradientScale, rate)
    // 1 - beta^t, in double: near 1, a float power would leave few digits of the difference.
    func correction(_ beta: Float) -> Float { Float(1 - pow(Double(beta), Double(step))) }
    (correction1, correction2) = (correction(options.beta1), correction(options.beta2))
  }

  /// Moves a parameter and its moments.
  func step(
    _ value: Tensor, _ moment: (first: Tensor, second: Tensor), _ gradient: Tensor, decay: Float,
    on device: Device
  ) {
    device.forRanges(gradient.count, grain: 4096) {
      let i = $0.lowerBound
      tsr_adamw(
        value.pointer + i, moment.first.pointer + i, moment.second.pointer + i, gradient.pointer + i,
        gradientScale, rate, options.beta1, options.beta2, options.epsilon, decay, correction1, correction2,
        $0.count)
    }
  }
}
