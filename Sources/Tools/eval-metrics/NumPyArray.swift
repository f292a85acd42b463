import Foundation
import ToolRuntime

/// An array of an `.npz` archive: C order, little-endian, of one of the types that statistics and images have.
struct NumPyArray {
  /// Sizes, slowest dimension first.
  let shape: [Int]
  /// NumPy's name of the element type: `|u1`, `<f4` or `<f8`.
  let type: String
  private let bytes: Data

  private static let widths = ["|u1": 1, "<f4": 4, "<f8": 8]

  /// Reads the header, versions 1 to 3.
  init(_ file: Data, name: String) throws {
    func damage(_ expected: String, _ found: String) -> ToolError {
      ToolError(.badData, "\(name): expected \(expected); found \(found); try: write it with numpy.savez")
    }
    guard file.count >= 12, file.prefix(6).elementsEqual([0x93] + Array("NUMPY".utf8)) else {
      throw damage("a .npy array", "other bytes")
    }
    let version = file[file.startIndex + 6]
    let isWide = version >= 2
    let lengthBytes = file.dropFirst(8).prefix(isWide ? 4 : 2)
    let length = lengthBytes.reversed().reduce(0) { $0 << 8 | Int($1) }
    let start = 8 + lengthBytes.count + length
    guard (1...3).contains(version), length < 1 << 16, start <= file.count else {
      throw damage("a header of a known version", "version \(version), \(length) bytes")
    }
    let text = String(decoding: file.dropFirst(start - length).prefix(length), as: UTF8.self)
    guard let description = Self.parse(text) else { throw damage("a plain array", "'\(visibleText(text))'") }
    (type, shape) = description
    guard let width = Self.widths[type] else { throw damage("uint8, float32 or float64", type) }
    bytes = file.dropFirst(start)
    var size = width
    for extent in shape {
      let (product, overflow) = size.multipliedReportingOverflow(by: extent)
      guard !overflow else { throw damage("a shape that fits into memory", "\(shape)") }
      size = product
    }
    guard size == bytes.count else {
      throw damage("\(size) bytes for shape \(shape) of \(type)", "\(bytes.count)")
    }
  }

  private static func parse(_ text: String) -> (type: String, shape: [Int])? {
    let pattern =
      /\{'descr': '([^']+)', 'fortran_order': False, 'shape': \(([0-9, ]*)\),? *\}\s*/
    guard let match = text.wholeMatch(of: pattern) else { return nil }
    let sizes = match.2.split(separator: ",").map { Int($0.trimmingCharacters(in: .whitespaces)) }
    let known = sizes.compactMap { $0 }
    return known.count == sizes.count ? (String(match.1), known) : nil
  }

  /// The numbers of a floating-point array, or nil of another.
  var doubles: [Double]? {
    switch type {
    case "<f4": numbers { (value: Float) in Double(value) }
    case "<f8": numbers { (value: Double) in value }
    default: nil
    }
  }

  /// Bytes of item `index` along the first dimension.
  func item(_ index: Int) -> [UInt8] {
    let size = bytes.count / shape[0]
    return [UInt8](bytes[bytes.startIndex + index * size..<bytes.startIndex + (index + 1) * size])
  }

  private func numbers<Stored>(_ transform: (Stored) -> Double) -> [Double] {
    bytes.withUnsafeBytes { raw in
      stride(from: 0, to: raw.count, by: MemoryLayout<Stored>.size).map {
        transform(raw.loadUnaligned(fromByteOffset: $0, as: Stored.self))
      }
    }
  }
}

private func visibleText(_ text: String) -> String {
  String(text.prefix(80).map { $0.isASCII && !$0.isNewline ? $0 : "?" })
}
