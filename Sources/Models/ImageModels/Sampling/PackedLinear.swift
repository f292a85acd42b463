import CKernels
import TensorCore

/// A weight matrix in the layout that sampling reads: panels of 32 outputs. Each output is summed in one
/// fixed order, so a row's result does not depend on the rows beside it.
struct PackedLinear {
  static let panel = Int(TSR_PANEL)

  let outputs: Int
  let inputs: Int
  let precision: SamplingPrecision
  private let packed: UnsafeMutableRawPointer
  /// A factor for each output, of int8 only.
  private let scales: UnsafeMutablePointer<Float>
  private let memory: StreamedMemory

  /// A matrix still to be packed.
  init(outputs: Int, inputs: Int, _ precision: SamplingPrecision, in memory: StreamedMemory) {
    (self.outputs, self.inputs, self.precision, self.memory) = (outputs, inputs, precision, memory)
    let panels = Self.panels(outputs)
    packed = memory.take(panels * Self.panelBytes(inputs, precision))
    scales = memory.take(Self.scaleBytes(outputs, precision)).assumingMemoryBound(to: Float.self)
  }

  /// Panels that hold a number of outputs.
  static func panels(_ outputs: Int) -> Int { (outputs + panel - 1) / panel }
  /// Panels of this matrix.
  var panels: Int { Self.panels(outputs) }

  /// Memory of a matrix.
  static func bytes(outputs: Int, inputs: Int, _ precision: SamplingPrecision) -> Int {
    StreamedMemory.reserved(panels(outputs) * panelBytes(inputs, precision))
      + StreamedMemory.reserved(scaleBytes(outputs, precision))
  }

  private static func panelBytes(_ inputs: Int, _ precision: SamplingPrecision) -> Int {
    switch precision {
    case .float32: panel * inputs * 4
    case .bfloat16: panel * ((inputs + 1) / 2 * 2) * 2
    case .int8: panel * ((inputs + 1) / 2 * 2)
    }
  }

  private static func scaleBytes(_ outputs: Int, _ precision: SamplingPrecision) -> Int {
    precision == .int8 ? panels(outputs) * panel * 4 : 0
  }

  /// Packs rows of weights into panels `first`, `first + step`, ...; what fills no panel is padded with zeros.
  /// - Parameter weight: [outputs, inputs].
  func pack(_ weight: UnsafePointer<Float>, outputs: Int, first: Int = 0, step: Int = 1, on device: Device) {
    let bytes = Self.panelBytes(inputs, precision)
    device.forRanges(Self.panels(outputs)) { range in
      for index in range {
        let place = first + index * step
        let source = weight + index * Self.panel * inputs
        let count = min(Self.panel, outputs - index * Self.panel)
        let target = packed + place * bytes
        switch precision {
        case .float32: tsr_pack_panels(target.assumingMemoryBound(to: Float.self), source, count, inputs)
        case .bfloat16:
          tsr_pack_panels_bfloat16(target.assumingMemoryBound(to: UInt16.self), source, count, inputs)
        case .int8:
          tsr_pack_panels_int8(
            target.assumingMemoryBound(to: Int8.self), scales + place * Self.panel, source, count, inputs)
        }
      }
    }
  }

  /// y = x weight^T, or added to y, for the outputs of some panels. Called by one thread.
  /// - Parameters:
  ///   - x: rows of `inputs` activations.
  ///   - y: the first row; rows are `stride` apart.
  func apply(
    _ x: ActivationRows, rows: Int, into y: UnsafeMutablePointer<Float>, stride: Int, panels: Range<Int>,
    adding: Bool = false
  ) {
    precondition(
      x.width == inputs && x.precision == precision, "PackedLinear: \(x.width) of \(inputs) inputs")
    let share = tsr_linear_share(
      rows: rows, n: outputs, k: inputs, x_stride: x.stride, y_stride: stride, first_panel: panels.lowerBound,
      last_panel: panels.upperBound, adding: adding)
    switch precision {
    case .float32:
      tsr_packed_linear(
        y, x.memory.assumingMemoryBound(to: Float.self), packed.assumingMemoryBound(to: Float.self), share,
        TSR_ALL_VECTORS)
    case .bfloat16:
      tsr_packed_linear_bfloat16(
        y, x.memory.assumingMemoryBound(to: UInt16.self), packed.assumingMemoryBound(to: UInt16.self), share,
        TSR_ALL_VECTORS)
    case .int8:
      tsr_packed_linear_int8(
        y, x.memory.assumingMemoryBound(to: Int16.self), x.scales,
        packed.assumingMemoryBound(to: Int8.self), scales, share, TSR_ALL_VECTORS)
    }
  }
}
