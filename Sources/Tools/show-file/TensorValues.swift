import StreamFormat
import ToolRuntime

/// The first values of a tensor, as text or as JSON.
struct TensorValues {
  private enum Numbers {
    case integers([Int])
    case floats([Float])
    case doubles([Double])
  }

  private let tensor: StoredTensor
  private let numbers: Numbers
  private let count: Int

  init(_ tensor: StoredTensor, limit: Int?) throws {
    self.tensor = tensor
    count = min(limit ?? .max, tensor.elementCount)
    let shown = StoredTensor(
      name: tensor.name, elementType: tensor.elementType, shape: [count],
      bytes: Array(tensor.bytes.prefix(count * tensor.elementType.byteCount)))
    switch tensor.elementType {
    case .float64: numbers = .doubles(try shown.doubles())
    case .float32, .float16, .bfloat16: numbers = .floats(try shown.floats())
    default: numbers = .integers(try shown.integers())
    }
  }

  /// Prints a line that begins with `#`, and the values, a row of the last dimension a line.
  func print(record: Int, to session: ToolSession) throws {
    let type = tensor.elementType.rawValue
    try session.printLine("# record \(record): \(visible(tensor.name)) \(type) \(tensor.shape)")
    let width = max(1, tensor.shape.last ?? 1)
    for start in stride(from: 0, to: count, by: width) {
      let row = (start..<min(start + width, count)).map(text)
      try session.printLine(row.joined(separator: " "))
    }
    if count < tensor.elementCount { try session.printLine("# \(tensor.elementCount - count) more values") }
  }

  func json(record: Int) -> [String: JSONValue] {
    [
      "record": .integer(record), "name": .string(tensor.name), "type": .string(tensor.elementType.rawValue),
      "shape": .array(tensor.shape.map { .integer($0) }), "values": .array((0..<count).map(value)),
    ]
  }

  // The shortest decimals from which the same number is read back.
  private func text(_ index: Int) -> String {
    switch numbers {
    case .integers(let values): "\(values[index])"
    case .floats(let values): "\(values[index])"
    case .doubles(let values): "\(values[index])"
    }
  }

  private func value(_ index: Int) -> JSONValue {
    switch numbers {
    case .integers(let values): .integer(values[index])
    // Converted by way of the text, so that 0.1 does not become 0.10000000149011612.
    case .floats(let values): .number(Double("\(values[index])") ?? .nan)
    case .doubles(let values): .number(values[index])
    }
  }
}
