// MARK: - To numbers

extension StoredTensor {
  /// The elements as 32-bit floating point, converted from any floating-point type.
  /// - Throws: ``FormatError`` (wrongType) if the tensor holds integers.
  public func floats() throws -> [Float] {
    try [Float](unsafeUninitializedCapacity: elementCount) { buffer, count in
      let destination = UnsafeMutableBufferPointer(rebasing: buffer[..<elementCount])
      try copyFloats(into: destination)
      count = elementCount
    }
  }

  /// Writes the elements as 32-bit floating point into memory of the caller's.
  /// - Precondition: `destination` has `elementCount` elements.
  /// - Throws: ``FormatError`` (wrongType) if the tensor holds integers.
  public func copyFloats(into destination: UnsafeMutableBufferPointer<Float>) throws {
    precondition(destination.count == elementCount, "tensor \(name): destination of another size")
    guard elementType.isFloatingPoint else { throw wrongType(expected: "floating point") }
    switch elementType {
    case .float32:
      withBytes { UnsafeMutableRawBufferPointer(destination).copyMemory(from: $0) }
    case .float16:
      convert(into: destination) { (value: UInt16) in Float(Float16(bitPattern: value)) }
    case .bfloat16:
      convert(into: destination) { (value: UInt16) in Float(bitPattern: UInt32(value) << 16) }
    default:
      convert(into: destination) { (value: Double) in Float(value) }
    }
  }

  /// Writes weights into memory of the caller's: ``copyFloats(into:)``, and no NaN or infinity among them. A model
  /// with one such number computes, and what it gives is wrong without a word.
  /// - Throws: ``FormatError`` (wrongType, valueOutOfRange).
  public func copyFiniteFloats(into destination: UnsafeMutableBufferPointer<Float>) throws {
    try copyFloats(into: destination)
    let exponent: UInt32 = 0x7F80_0000
    var isFinite = true
    for value in destination { isFinite = isFinite && value.bitPattern & exponent != exponent }
    if isFinite { return }
    let wrong = destination.firstIndex { !$0.isFinite } ?? 0
    throw FormatError(
      .valueOutOfRange, at: origin, expected: "finite numbers in tensor '\(name)'",
      found: "\(destination[wrong]) as element \(wrong)",
      hint: "copy or make the file again; its weights are damaged")
  }

  /// The elements as 64-bit floating point, converted from any floating-point type.
  /// - Throws: ``FormatError`` (wrongType) if the tensor holds integers.
  public func doubles() throws -> [Double] {
    elementType == .float64 ? numbers { (value: Double) in value } : try floats().map { Double($0) }
  }

  /// The elements of any integer type, or of BOOL as 0 and 1.
  /// - Throws: ``FormatError`` (wrongType) for floating point; (valueOutOfRange) for a U64 above `Int.max`.
  public func integers() throws -> [Int] {
    switch elementType {
    case .uint8, .bool: return bytes.map { Int($0) }
    case .int8: return numbers { (value: Int8) in Int(value) }
    case .uint16: return numbers { (value: UInt16) in Int(value) }
    case .int16: return numbers { (value: Int16) in Int(value) }
    case .uint32: return numbers { (value: UInt32) in Int(value) }
    case .int32: return numbers { (value: Int32) in Int(value) }
    case .int64: return numbers { (value: Int64) in Int(value) }
    case .uint64: return try checkedUInt64s()
    case .float16, .bfloat16, .float32, .float64: throw wrongType(expected: "integers")
    }
  }

  /// The elements of a U16 or U32 tensor; nil for any other type.
  func unsignedIntegers() -> [UInt32]? {
    switch elementType {
    case .uint16: numbers { (value: UInt16) in UInt32(value) }
    case .uint32: numbers { (value: UInt32) in value }
    default: nil
    }
  }

  private func checkedUInt64s() throws -> [Int] {
    let values = numbers { (value: UInt64) in value }
    if let large = values.firstIndex(where: { $0 > UInt64(Int.max) }) {
      throw FormatError(
        .valueOutOfRange, at: origin, expected: "\(name)[\(large)] at most \(Int.max)",
        found: "\(values[large])", hint: "store the tensor as I64")
    }
    return values.map { Int($0) }
  }

  private func numbers<Stored, Number>(_ transform: (Stored) -> Number) -> [Number] {
    withBytes { raw in
      (0..<elementCount).map {
        transform(raw.loadUnaligned(fromByteOffset: $0 * MemoryLayout<Stored>.size, as: Stored.self))
      }
    }
  }

  private func convert<Stored>(
    into destination: UnsafeMutableBufferPointer<Float>, _ transform: (Stored) -> Float
  ) {
    withBytes { raw in
      for index in 0..<elementCount {
        let offset = index * MemoryLayout<Stored>.size
        destination[index] = transform(raw.loadUnaligned(fromByteOffset: offset, as: Stored.self))
      }
    }
  }

  private func wrongType(expected: String) -> FormatError {
    FormatError(
      .wrongType, at: origin, expected: "tensor '\(name)' of \(expected)", found: elementType.rawValue,
      hint: "show-file tells what the file holds; a file of another kind may have been given")
  }
}
