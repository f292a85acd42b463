import FoundationEssentials
import Glibc
import StreamFormat

extension PickleTensor {
  /// A dense array in C or Fortran order.
  init(
    bytes: Data, type: ElementType, shape: [Int], isFortran: Bool, _ cursor: ByteCursor,
    at start: Int
  ) throws {
    guard let byteCount = byteCount(of: shape, type), byteCount == bytes.count else {
      throw cursor.error(
        .malformed, at: start, expected: "the bytes of shape \(shape.prefix(16)) of \(type.rawValue)",
        found: "\(bytes.count) bytes", hint: "copy the file again")
    }
    var strides = [Int](repeating: 1, count: shape.count)
    var size = 1
    for axis in isFortran ? Array(shape.indices) : shape.indices.reversed() {
      strides[axis] = size
      size *= shape[axis]
    }
    self.init(source: .bytes(bytes, type), offset: 0, shape: shape, strides: strides)
  }

  /// Type of the elements.
  var elementType: ElementType {
    switch source {
    case .storage(let storage): storage.type
    case .bytes(_, let type): type
    }
  }

  /// Number of elements; the shape was checked.
  var count: Int { shape.contains(0) ? 0 : shape.reduce(1, *) }

  /// Checks that every element lies in its source, and that there are not more of them than the source has.
  func check(elementsOfSource available: Int, _ cursor: ByteCursor, at start: Int) throws {
    var (elements, last, fits) = (1, offset, offset >= 0 && byteCount(of: shape, elementType) != nil)
    let isEmpty = shape.contains(0)
    for (size, stride) in zip(shape, strides) where fits && !isEmpty {
      let (product, overflow) = elements.multipliedReportingOverflow(by: size)
      let (reach, tooFar) = max(size - 1, 0).multipliedReportingOverflow(by: stride)
      let (sum, beyond) = last.addingReportingOverflow(reach)
      fits = size >= 0 && stride >= 0 && !overflow && !tooFar && !beyond && product <= available
      (elements, last) = (product, sum)
    }
    guard fits, isEmpty || last < available else {
      throw cursor.error(
        .malformed, at: start, expected: "a tensor inside its storage of \(available) elements",
        found: "shape \(shape.prefix(16)), strides \(strides.prefix(16)), offset \(offset)",
        hint: "copy the file again; save expanded tensors as contiguous ones")
    }
  }

  /// The elements in C order. `data` are the bytes of the source.
  func dense(from data: Data) -> [UInt8] {
    let size = elementType.byteCount
    if count == 0 { return [] }
    if isContiguous {
      return Array(data[(data.startIndex + offset * size)...].prefix(count * size))
    }
    return [UInt8](unsafeUninitializedCapacity: count * size) { target, initialized in
      data.withUnsafeBytes { source in
        var position = 0
        forEachRow { start, length, stride in
          for i in 0..<length {
            let element = UnsafeRawBufferPointer(
              rebasing: source[(start + i * stride) * size..<(start + i * stride + 1) * size])
            UnsafeMutableRawBufferPointer(
              rebasing: UnsafeMutableRawBufferPointer(target)[position..<position + size]
            )
            .copyMemory(from: element)
            position += size
          }
        }
      }
      initialized = count * size
    }
  }

  private var isContiguous: Bool {
    var expected = 1
    for (size, stride) in zip(shape, strides).reversed() {
      if size != 1 && stride != expected { return false }
      expected *= size
    }
    return true
  }

  /// Calls `body` with the place of each row of the last axis, in C order.
  private func forEachRow(_ body: (_ start: Int, _ length: Int, _ stride: Int) -> Void) {
    guard count > 0, let length = shape.last, let lastStride = strides.last else { return }
    var index = [Int](repeating: 0, count: shape.count - 1)
    while true {
      body(zip(index, strides).reduce(offset) { $0 + $1.0 * $1.1 }, length, lastStride)
      var axis = index.count - 1
      while axis >= 0, index[axis] == shape[axis] - 1 {
        index[axis] = 0
        axis -= 1
      }
      if axis < 0 { return }
      index[axis] += 1
    }
  }
}
