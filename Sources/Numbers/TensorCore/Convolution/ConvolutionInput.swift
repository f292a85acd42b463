/// Activations [B, H, W, C] in the format that a device's convolutions read: float32, or bfloat16 where that is the
/// device's precision.
public struct ConvolutionInput {
  enum Elements {
    case float32(Tensor)
    case bfloat16(BFloat16Tensor)
  }
  let elements: Elements

  /// Activations that were made in bfloat16, for a device of that precision.
  public init(_ rounded: BFloat16Tensor) { elements = .bfloat16(rounded) }

  init(float32 tensor: Tensor) { elements = .float32(tensor) }

  /// [B, H, W, C]
  public var shape: [Int] {
    switch elements {
    case .float32(let tensor): return tensor.shape
    case .bfloat16(let tensor): return tensor.shape
    }
  }

  /// Where element `offset` is.
  func pointer(at offset: Int) -> UnsafeRawPointer {
    switch elements {
    case .float32(let tensor): return UnsafeRawPointer(tensor.pointer + offset)
    case .bfloat16(let tensor): return UnsafeRawPointer(tensor.pointer + offset)
    }
  }

  /// The elements of an input that is known to be float32.
  var float32: Tensor {
    guard case .float32(let tensor) = elements else {
      preconditionFailure("convolve: bfloat16 input \(shape) on a device of float32")
    }
    return tensor
  }
}

extension Device {
  /// What a convolution on this device reads of `x`: the tensor itself, or a rounded copy.
  public func convolutionInput(_ x: Tensor) -> ConvolutionInput {
    precision == .bfloat16 ? ConvolutionInput(rounded(x)) : ConvolutionInput(float32: x)
  }
}
