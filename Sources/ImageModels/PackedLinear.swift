import CKernels
import TensorCore

/// A weight matrix in the layout that sampling reads: panels of 32 outputs. Each output is summed in one
/// fixed order, so a row's result does not depend on the rows beside it.
struct PackedLinear {
  private static let panel = Int(TSR_PANEL)

  private let packed: Tensor
  private let outputs: Int
  private let inputs: Int
  private let device: Device

  /// - Parameter weight: [outputs, inputs].
  init(_ weight: Tensor, _ device: Device) {
    (outputs, inputs) = (weight.shape[0], weight.shape[1])
    self.device = device
    packed = device.empty([(outputs + Self.panel - 1) / Self.panel * Self.panel * inputs])
    tsr_pack_panels(packed.pointer, weight.pointer, outputs, inputs)
  }

  /// y [rows, outputs] = x [rows, inputs] weight^T, or added to y.
  /// - Parameters:
  ///   - stride: elements from one row of y to the next; `outputs` unless given.
  ///   - offset: where in a row of y the outputs go.
  func apply(
    _ x: Tensor, rows: Int, into y: Tensor, stride: Int? = nil, offset: Int = 0, adding: Bool = false
  ) {
    device.forRanges((outputs + Self.panel - 1) / Self.panel) { panels in
      tsr_packed_linear(
        y.pointer + offset, stride ?? outputs, x.pointer, packed.pointer, rows, outputs, inputs,
        panels.lowerBound, panels.upperBound, adding)
    }
  }
}
