#if OneDNN
  import COneDNN
#endif

/// The shape of c [m, n] = a [m, k] b [k, n], or of that added to c. A transposed operand is stored as [k, m] or [n, k].
public struct SerialProductShape: Sendable {
  public var m, n, k: Int
  public var transposedA = false
  public var transposedB = false
  /// Elements from one stored row to the next; nil where rows follow one another without a gap.
  public var strideA, strideC: Int?
  public var accumulates = false

  /// Dense operands, none of them transposed.
  public init(m: Int, n: Int, k: Int) { (self.m, self.n, self.k) = (m, n, k) }
}

/// A product of bfloat16 operands, summed in float32 on the calling thread.
/// Several threads may use the same product at the same time. Belongs to the device that made it.
public struct SerialBFloat16Product {
  #if OneDNN
    private let primitive: OpaquePointer
    /// Keeps the primitive.
    private let owner: BFloat16Product

    fileprivate init(_ primitive: OpaquePointer, of owner: BFloat16Product) {
      (self.primitive, self.owner) = (primitive, owner)
    }
  #endif

  public func callAsFunction(
    _ a: UnsafePointer<UInt16>, _ b: UnsafePointer<UInt16>, into c: UnsafeMutablePointer<Float>
  ) {
    #if OneDNN
      let status = tsr_matmul_run(primitive, a, b, c)
      precondition(status == 0, "SerialBFloat16Product: oneDNN status \(status)")
    #else
      preconditionFailure("SerialBFloat16Product: this build has no bfloat16 products")
    #endif
  }
}

extension Device {
  /// A product of one shape.
  /// - Precondition: the device's precision is bfloat16.
  public func serialBFloat16Product(_ shape: SerialProductShape) -> SerialBFloat16Product {
    precondition(precision == .bfloat16, "serialBFloat16Product: the device has \(precision)")
    #if OneDNN
      return SerialBFloat16Product(bfloat16Product.serial(shape), of: bfloat16Product)
    #else
      preconditionFailure("serialBFloat16Product: this build has none")
    #endif
  }
}
