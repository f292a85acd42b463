import CZstd
import StreamFormat

/// A record before it is written, of which any part may be wrong.
struct RecordDraft: Equatable {
  struct Entry: Equatable {
    var name: String
    var type: String
    var shape: [Int]
    var begin: Int
    var end: Int
  }

  var metadata: [String: String]
  var entries: [Entry]
  var data: [UInt8]
  /// The header's text where it is not what the other parts say.
  var headerText: [UInt8]?

  init(_ record: Record) {
    metadata = record.metadata
    (entries, data) = ([], [])
    for tensor in record.tensors {
      let begin = data.count
      data += tensor.bytes
      entries.append(
        Entry(
          name: tensor.name, type: tensor.elementType.rawValue, shape: tensor.shape, begin: begin,
          end: data.count))
    }
  }

  /// The header as JSON; names and values are escaped as JSON needs it.
  var header: [UInt8] {
    if let headerText { return headerText }
    let strings = metadata.keys.sorted().map { "\(json($0)):\(json(metadata[$0]!))" }.joined(separator: ",")
    let tensors = entries.map { entry in
      "\(json(entry.name)):{\"dtype\":\(json(entry.type)),\"shape\":\(list(entry.shape)),"
        + "\"data_offsets\":\(list([entry.begin, entry.end]))}"
    }
    return Array("{\((["\"__metadata__\":{\(strings)}"] + tensors).joined(separator: ","))}".utf8)
  }

  /// The safetensors blob.
  var blob: [UInt8] { littleEndian(header.count, width: 8) + header + data }

  /// What the end mark counts, as far as the draft makes sense.
  var itemCount: Int {
    let counted = ["tokens": ["tokens", "labels"], "features": ["features"]][metadata["kind"] ?? ""] ?? []
    let shapes = counted.compactMap { name in entries.first { $0.name == name }?.shape }
    return shapes.first?.first ?? 1
  }

  private func list(_ numbers: [Int]) -> String { "[\(numbers.map(String.init).joined(separator: ","))]" }

  private func json(_ text: String) -> String { (try? sortedJSON(text)) ?? "\"\"" }
}

extension RecordDraft {
  /// The drafts as a file: each a frame with its checksum, and the end mark.
  /// - Parameter counts: what the mark says, where it is not what the drafts hold.
  static func file(_ drafts: [RecordDraft], counts: (records: Int, items: Int)? = nil) -> [UInt8] {
    let items = drafts.reduce(0) { $0 &+ $1.itemCount }
    return drafts.flatMap { frame($0.blob) } + endMark(counts ?? (drafts.count, items))
  }

  static func endMark(_ counts: (records: Int, items: Int)) -> [UInt8] {
    joined(
      [0x5E, 0x2A, 0x4D, 0x18, 28, 0, 0, 0], Array("TESSERAEND".utf8), [1, 0],
      littleEndian(counts.records, width: 8), littleEndian(counts.items, width: 8))
  }

  /// A zstd frame with a checksum.
  static func frame(_ bytes: [UInt8]) -> [UInt8] {
    let context = ZSTD_createCCtx()
    defer { ZSTD_freeCCtx(context) }
    ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1)
    ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, 1)
    let capacity = ZSTD_compressBound(bytes.count)
    return [UInt8](unsafeUninitializedCapacity: capacity) { buffer, count in
      count = ZSTD_compress2(context, buffer.baseAddress, capacity, bytes, bytes.count)
      precondition(ZSTD_isError(count) == 0, "zstd cannot compress \(bytes.count) bytes")
    }
  }
}

func littleEndian(_ number: Int, width: Int) -> [UInt8] {
  (0..<width).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) }
}
