/// A named array as it stands in a file: little-endian bytes in row-major order.
public struct StoredTensor: Sendable {
  /// The name within its record.
  public let name: String
  public let elementType: ElementType
  /// The sizes, slowest dimension first; empty for a single number.
  public let shape: [Int]
  /// The elements, little-endian, row-major.
  public let bytes: [UInt8]
  /// Where the tensor was read, for messages.
  public var origin = Origin.memory

  /// A tensor from its bytes.
  /// - Precondition: `bytes` has the size that the shape and the type need.
  public init(name: String, elementType: ElementType, shape: [Int], bytes: [UInt8]) {
    precondition(
      byteCount(of: shape, elementType) == bytes.count,
      "tensor \(name): shape \(shape) of \(elementType) needs other than \(bytes.count) bytes")
    self.name = name
    self.elementType = elementType
    self.shape = shape
    self.bytes = bytes
  }

  public var elementCount: Int { bytes.count / elementType.byteCount }

  /// Calls a function with the bytes.
  public func withBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
    try bytes.withUnsafeBytes(body)
  }

  /// The same elements under another name.
  public func renamed(_ name: String) -> StoredTensor {
    var copy = StoredTensor(name: name, elementType: elementType, shape: shape, bytes: bytes)
    copy.origin = origin
    return copy
  }
}

/// The bytes of a dense array, or nil if a size is negative or the product does not fit.
///
/// An empty array may not have sizes either whose product without the zeros does not fit: whoever multiplies some of
/// its sizes, such as those of a row, could not.
public func byteCount(of shape: [Int], _ elementType: ElementType) -> Int? {
  var count = elementType.byteCount
  for size in shape {
    let (product, overflow) = count.multipliedReportingOverflow(by: max(1, size))
    guard size >= 0, !overflow else { return nil }
    count = product
  }
  return shape.contains(0) ? 0 : count
}

// MARK: - From numbers

extension StoredTensor {
  /// An F32 tensor.
  public init(name: String, shape: [Int], floats: UnsafeBufferPointer<Float>) {
    self.init(name: name, elementType: .float32, shape: shape, bytes: Array(UnsafeRawBufferPointer(floats)))
  }

  /// An F32 tensor.
  public init(name: String, shape: [Int], floats: [Float]) {
    self.init(name: name, elementType: .float32, shape: shape, values: floats)
  }

  /// An F64 tensor.
  public init(name: String, shape: [Int], doubles: [Double]) {
    self.init(name: name, elementType: .float64, shape: shape, values: doubles)
  }

  /// A U8 tensor.
  public init(name: String, shape: [Int], uint8s: [UInt8]) {
    self.init(name: name, elementType: .uint8, shape: shape, bytes: uint8s)
  }

  /// A U16 tensor.
  public init(name: String, shape: [Int], uint16s: [UInt16]) {
    self.init(name: name, elementType: .uint16, shape: shape, values: uint16s)
  }

  /// A U32 tensor.
  public init(name: String, shape: [Int], uint32s: [UInt32]) {
    self.init(name: name, elementType: .uint32, shape: shape, values: uint32s)
  }

  /// An I32 tensor.
  public init(name: String, shape: [Int], int32s: [Int32]) {
    self.init(name: name, elementType: .int32, shape: shape, values: int32s)
  }

  /// A U64 tensor.
  public init(name: String, shape: [Int], uint64s: [UInt64]) {
    self.init(name: name, elementType: .uint64, shape: shape, values: uint64s)
  }

  // Every machine Swift runs on is little-endian, so memory order is the file's order.
  private init<Number>(name: String, elementType: ElementType, shape: [Int], values: [Number]) {
    self.init(
      name: name, elementType: elementType, shape: shape, bytes: values.withUnsafeBytes { Array($0) })
  }
}
