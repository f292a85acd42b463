#if OneDNN
  import COneDNN
#endif

/// c [m, n] = a [m, k] b [k, n], or that added to c, of dense bfloat16 operands, summed in float32 on the calling thread.
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
  /// A product for one shape; a transposed operand is stored as [k, m] or [n, k].
  /// - Precondition: the device's precision is bfloat16.
  public func serialBFloat16Product(
    m: Int, n: Int, k: Int, transposedA: Bool = false, transposedB: Bool = false, accumulates: Bool = false
  ) -> SerialBFloat16Product {
    precondition(precision == .bfloat16, "serialBFloat16Product: the device has \(precision)")
    #if OneDNN
      return SerialBFloat16Product(
        bfloat16Product.serial(
          m: m, n: n, k: k, transposedA: transposedA, transposedB: transposedB, accumulates: accumulates),
        of: bfloat16Product)
    #else
      preconditionFailure("serialBFloat16Product: this build has none")
    #endif
  }
}
