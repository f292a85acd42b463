import CKernels
import TensorCore

extension Tape {
  /// Group normalisation of x [B, H, W, C] over `groups` groups of channels, times weight [C] plus bias
  /// [C], then silu where asked (the two always come together in the autoencoder).
  public func groupNorm(
    _ x: Variable, weight: Variable, bias: Variable, groups: Int, epsilon: Double, silu: Bool
  ) -> Variable {
    let kernel = GroupNormKernel(
      device, x: x.value, weight: weight.value, bias: bias.value, groups: groups, epsilon: epsilon,
      silu: silu)
    return record(kernel.output(device), from: [x, weight, bias]) {
      [unowned self, x = x.slot, scale = weight.value, weight = weight.slot, bias = bias.slot] dy in
      let dx = kernel.backward(
        device, dy, weight: scale, weightGradient: additionTarget(for: weight),
        biasGradient: additionTarget(for: bias))
      accumulate(dx, into: x)
    }
  }
}
