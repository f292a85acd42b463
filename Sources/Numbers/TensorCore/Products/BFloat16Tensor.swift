import CKernels

/// A dense row-major array of bfloat16 numbers, the form in which large products read their operands. Two of them
/// take the place of a float in pooled memory.
public struct BFloat16Tensor {
  /// Sizes, slowest dimension first.
  public let shape: [Int]
  private let memory: Tensor

  init(shape: [Int], device: Device) {
    self.shape = shape
    memory = device.empty([(shape.reduce(1, *) + 1) / 2])
  }

  /// The first element. Valid while this tensor (or a copy of it) lives.
  public var pointer: UnsafeMutablePointer<UInt16> {
    UnsafeMutableRawPointer(memory.pointer).assumingMemoryBound(to: UInt16.self)
  }
  public var count: Int { shape.reduce(1, *) }
}

extension Device {
  /// A bfloat16 tensor whose elements are not yet set.
  public func emptyBFloat16(_ shape: [Int]) -> BFloat16Tensor { BFloat16Tensor(shape: shape, device: self) }

  /// The elements of `x`, each rounded to the nearest bfloat16.
  public func rounded(_ x: Tensor) -> BFloat16Tensor {
    let y = emptyBFloat16(x.shape)
    forRanges(x.count, grain: 4096) {
      tsr_to_bfloat16(y.pointer + $0.lowerBound, x.pointer + $0.lowerBound, $0.count)
    }
    return y
  }
}
