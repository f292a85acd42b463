/// Writes a record as a plain safetensors file, uncompressed and without an end mark, for programs that know nothing of this
/// suite.
/// - Precondition: Tensor names differ.
/// - Throws: ``StreamError``, and what making the tensors throws; the output is of no use then.
public func writeSafetensors(_ stream: RecordStream, to sink: ByteSink) throws {
  let header = safetensorsHeader(metadata: stream.metadata, tensors: stream.tensors)
  try header.withUnsafeBytes { try sink.write($0) }
  for info in stream.tensors { try stream.tensor(info).withBytes { try sink.write($0) } }
}

extension RecordStream {
  /// Makes a tensor.
  /// - Precondition: It has the size that was announced.
  func tensor(_ info: TensorInfo) throws -> StoredTensor {
    let tensor = try make(info)
    precondition(tensor.bytes.count == info.byteCount, "tensor \(info.name): not as it was announced")
    return tensor
  }
}

/// The length and JSON of a safetensors header, padded so that the data starts at a multiple of 8.
func safetensorsHeader(metadata: [String: String], tensors: [TensorInfo]) -> [UInt8] {
  var names: Set<String> = ["__metadata__"]
  var fields = metadata.isEmpty ? [] : ["\"__metadata__\":" + json(metadata)]
  var offset = 0
  for tensor in tensors {
    precondition(names.insert(tensor.name).inserted, "two tensors named \(tensor.name)")
    let end = offset + tensor.byteCount
    let shape = tensor.shape.map { String($0) }.joined(separator: ",")
    fields.append(
      json(tensor.name) + ":{\"dtype\":\"\(tensor.elementType.rawValue)\",\"shape\":[\(shape)],"
        + "\"data_offsets\":[\(offset),\(end)]}")
    offset = end
  }
  var text = Array("{\(fields.joined(separator: ","))}".utf8)
  text += repeatElement(UInt8(ascii: " "), count: (8 - text.count % 8) % 8)
  return littleEndian(UInt64(text.count)) + text
}

private func json(_ value: some Encodable) -> String {
  guard let text = try? sortedJSON(value) else { preconditionFailure("strings always encode") }
  return text
}
