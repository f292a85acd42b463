import ForeignFiles
import StreamFormat

/// A checkpoint as `torch.save` writes it, put together by hand: F32 tensors in parts, and the `args` of training.
public struct TorchCheckpoint {
  /// A value among the `args`.
  public enum Argument {
    case integer(Int)
    case text(String)
    case number(Double)
    /// Opcodes that leave one value on the stack.
    case opcodes([UInt8])
  }

  private let parts: [(name: String, tensors: [StoredTensor])]
  private let arguments: [(name: String, value: Argument)]

  /// - Parameter parts: tensors by part; those of the part without a name stand in the file itself.
  public init(
    _ parts: [(name: String, tensors: [StoredTensor])], arguments: [(name: String, value: Argument)] = []
  ) {
    (self.parts, self.arguments) = (parts, arguments)
  }

  /// The file.
  public func bytes() throws -> [UInt8] {
    var (pickle, storages): ([UInt8], [[UInt8]]) = ([0x80, 2] + Array("}(".utf8), [])
    for (name, tensors) in parts {
      if !name.isEmpty { pickle += text(name) + Array("}(".utf8) }
      for tensor in tensors {
        pickle += text(tensor.name) + opcodes(of: tensor, storage: storages.count)
        storages.append(tensor.bytes)
      }
      if !name.isEmpty { pickle += Array("u".utf8) }
    }
    if !arguments.isEmpty {
      pickle += text("args") + Array("cargparse\nNamespace\n)".utf8) + [0x81] + Array("}(".utf8)
      for (name, value) in arguments { pickle += text(name) + opcodes(of: value) }
      pickle += Array("ub".utf8)
    }
    return try Self.archive(
      [("archive/data.pkl", pickle + Array("u.".utf8))]
        + storages.enumerated().map { ("archive/data/\($0)", $1) })
  }

  /// A zip archive of members.
  public static func archive(_ members: [(name: String, bytes: [UInt8])]) throws -> [UInt8] {
    let sink = MemorySink()
    let writer = try ArchiveWriter(sink)
    for (name, bytes) in members {
      try writer.begin(name, size: bytes.count)
      try bytes.withUnsafeBytes { try writer.write($0) }
    }
    try writer.finish()
    return sink.bytes
  }

  private func opcodes(of tensor: StoredTensor, storage: Int) -> [UInt8] {
    var (strides, size) = ([Int](), 1)
    for extent in tensor.shape.reversed() {
      strides.insert(size, at: 0)
      size *= extent
    }
    let source =
      Array("(".utf8) + text("storage") + Array("ctorch\nFloatStorage\n".utf8) + text("\(storage)")
      + text("cpu") + integer(tensor.elementCount) + Array("tQ".utf8)
    return Array("ctorch._utils\n_rebuild_tensor_v2\n(".utf8) + source + integer(0)
      + tuple(tensor.shape) + tuple(strides) + [0x89] + Array("}tR".utf8)
  }

  private func opcodes(of value: Argument) -> [UInt8] {
    switch value {
    case .integer(let value): integer(value)
    case .text(let value): text(value)
    case .number(let value): [UInt8(ascii: "G")] + littleEndian(value.bitPattern.byteSwapped)
    case .opcodes(let bytes): bytes
    }
  }

  private func tuple(_ values: [Int]) -> [UInt8] {
    Array("(".utf8) + values.flatMap { integer($0) } + Array("t".utf8)
  }
  private func integer(_ value: Int) -> [UInt8] { [UInt8(ascii: "J")] + littleEndian(Int32(value)) }
  private func text(_ value: String) -> [UInt8] {
    [UInt8(ascii: "X")] + littleEndian(UInt32(value.utf8.count)) + Array(value.utf8)
  }
  private func littleEndian(_ value: some FixedWidthInteger) -> [UInt8] {
    withUnsafeBytes(of: value.littleEndian) { Array($0) }
  }
}
