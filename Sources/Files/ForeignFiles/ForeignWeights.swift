import FoundationEssentials
import Glibc
import StreamFormat

/// The arrays of a weights file that another program wrote: torch `.pt` and `.pth` (zip and the older form), a pickle of
/// numpy arrays, `.npy`, `.npz`, `.safetensors`, and the suite's own files. Nothing in the file is run or trusted.
public struct ForeignWeights {
  /// The file's name as the user gave it.
  public let file: String
  /// Names of the arrays, in the file's order; the keys of nested dictionaries and lists are joined with dots.
  public let names: [String]
  /// The plain values of `args` in a checkpoint, by their names; empty where there are none.
  public let arguments: [String: SettingValue]
  /// The strings that a safetensors file or a file of the suite says of itself; empty for others.
  public let metadata: [String: String]
  private let contents: Contents

  private enum Contents {
    case record(Record)
    case pickled([String: PickleTensor], storages: [String: Data])
  }

  /// Reads what is in memory.
  /// - Throws: As ``init(_:)``.
  public init(_ bytes: [UInt8], file: String) throws { try self.init(MappedFile(bytes, name: file)) }

  /// Reads a file. The arrays are made when they are asked for, from the file's own bytes.
  /// - Throws: ``ForeignFileError``; `FormatError` for a damaged safetensors file.
  public init(_ file: MappedFile) throws {
    let (bytes, name) = (file.bytes, file.name)
    if ArchiveReader.isArchive(bytes) {
      try self.init(archive: file)
    } else if bytes.starts(with: TorchFile.legacyStart) {
      try self.init(TorchFile(legacy: bytes, file: name), file)
    } else if bytes.starts(with: NumPyHeader.start) {
      try self.init([("array", try PickleTensor(numpy: bytes, name: name))], byteCount: bytes.count, file)
    } else if bytes.first == 0x80, !Self.startsLikeSafetensors(bytes) {
      let machine = PickleMachine(ByteCursor(bytes, file: name))
      let content = try machine.content()
      try machine.requireEnd()
      try self.init(content.tensors, arguments: content.arguments, byteCount: bytes.count, file)
    } else if Self.startsLikeSafetensors(bytes) {
      let (tensors, metadata) = try safetensors(file)
      try self.init(tensors, metadata: metadata, byteCount: bytes.count, file)
    } else {
      try self.init(container: file)
    }
  }

  /// Whether a file that begins with these bytes may be one of those. At least 64 bytes are needed, or the whole file.
  public static func isKnown(start: [UInt8]) -> Bool {
    let bytes = Data(start)
    let isContainer =
      start.count >= 4 && (start[1...3] == [0xB5, 0x2F, 0xFD] || start[1...3] == [0x2A, 0x4D, 0x18])
    return isContainer || ArchiveReader.isArchive(bytes) || bytes.starts(with: NumPyHeader.start)
      || bytes.first == 0x80 || bytes.starts(with: TorchFile.legacyStart) || startsLikeSafetensors(bytes)
  }

  /// A header's length, of which the low byte can be a pickle's first, and the start of its JSON. In a pickle the second
  /// byte is the protocol, 2 to 5, and no opcode of one is `{`.
  private static func startsLikeSafetensors(_ bytes: Data) -> Bool {
    let start = Array(bytes.prefix(9))
    return start.count == 9 && start[8] == UInt8(ascii: "{") && start[4..<8].allSatisfy { $0 == 0 }
  }

  private init(archive file: MappedFile) throws {
    let reader = try ArchiveReader(file)
    var members: [String: Data] = [:]
    var total = 0
    while let name = try reader.next() {
      let content = try reader.content()
      total += content.count
      guard members.updateValue(content, forKey: name) == nil else { throw duplicate(name, in: file.name) }
    }
    if members.isEmpty || !members.keys.allSatisfy({ $0.hasSuffix(".npy") }) {
      try self.init(TorchFile(members: members, file: file.name), file)
    } else {
      let arrays = try members.sorted { $0.key < $1.key }.map { name, bytes in
        (
          name: String(name.dropLast(4)),
          tensor: try PickleTensor(numpy: bytes, name: "\(file.name): \(name)")
        )
      }
      // What the members unpack to is more than the file where they are deflated.
      try self.init(arrays, byteCount: total, file)
    }
  }

  private init(_ torch: TorchFile, _ file: MappedFile) throws {
    try self.init(
      torch.content.tensors, torch.storages, arguments: torch.content.arguments, byteCount: file.bytes.count,
      file)
  }

  private init(container mapped: MappedFile) throws {
    let file = mapped.name
    let reader = RecordReader(DataSource(mapped))
    guard let record = try reader.next() else {
      throw FormatError(
        .noRecord, at: Origin(file: file), expected: "one record", found: "none", hint: "give a weights file")
    }
    if let second = try reader.next() {
      throw FormatError(
        .streamMismatch, at: second.origin, expected: "one record in the file", found: "a second one",
        hint: "give a weights file")
    }
    (self.file, arguments, metadata) = (file, [:], record.metadata)
    names = record.tensors.map(\.name)
    contents = .record(record)
  }

  private init(
    _ tensors: [NamedPickleTensor], _ storages: [String: Data] = [:],
    arguments: [String: SettingValue] = [:], metadata: [String: String] = [:], byteCount: Int,
    _ mapped: MappedFile
  ) throws {
    (file, self.arguments, self.metadata) = (mapped.name, arguments, metadata)
    // Tensors may share storages; a small file whose tensors would fill the memory is no weights file.
    let most = 8 * byteCount + 1 << 20
    var total = 0
    for (_, tensor) in tensors {
      let (bytes, overflow) = tensor.count.multipliedReportingOverflow(by: tensor.elementType.byteCount)
      total = overflow || bytes > most ? most + 1 : min(most + 1, total + bytes)
    }
    guard total <= most else {
      throw ForeignFileError(
        defect: .tooLarge, file: file, offset: nil, expected: "tensors of at most \(most) bytes",
        found: "more, by storages that many tensors share", hint: "save the tensors as copies")
    }
    var byName: [String: PickleTensor] = [:]
    names = tensors.map(\.name).filter { name in byName.updateValue(tensors[0].tensor, forKey: name) == nil }
    for (name, tensor) in tensors { byName[name] = tensor }
    contents = .pickled(byName, storages: storages)
  }

  /// An array by name, in C order.
  /// - Throws: ``ForeignFileError`` where its data is not there.
  public func tensor(_ name: String) throws -> StoredTensor? {
    switch contents {
    case .record(let record): return record[name]
    case .pickled(let tensors, let storages):
      guard let tensor = tensors[name] else { return nil }
      let data: Data
      switch tensor.source {
      case .bytes(let bytes, _): data = bytes
      case .storage(let storage): data = try bytes(of: storage, in: storages)
      }
      try requireData(tensor, data.count, name)
      return StoredTensor(
        name: name, elementType: tensor.elementType, shape: tensor.shape, bytes: tensor.dense(from: data))
    }
  }

  /// The shape of an array, without its elements.
  public func shape(_ name: String) -> [Int]? {
    switch contents {
    case .record(let record): record[name]?.shape
    case .pickled(let tensors, _): tensors[name]?.shape
    }
  }

  private func bytes(of storage: PickleStorage, in storages: [String: Data]) throws
    -> Data
  {
    let (wanted, overflow) = storage.elementCount.multipliedReportingOverflow(by: storage.type.byteCount)
    guard let data = storages[storage.key], !overflow, data.count >= wanted else {
      throw ForeignFileError(
        defect: .truncated, file: file, offset: nil,
        expected: "a storage \(storage.key.prefix(40)) of \(storage.elementCount) elements",
        found: "\(storages[storage.key]?.count ?? 0) bytes", hint: "copy the file again")
    }
    return data
  }

  /// A numpy scalar's bytes come without a shape to check them by.
  private func requireData(_ tensor: PickleTensor, _ count: Int, _ name: String) throws {
    guard case .bytes = tensor.source, count < tensor.count * tensor.elementType.byteCount else { return }
    throw ForeignFileError(
      defect: .truncated, file: file, offset: nil, expected: "\(tensor.count) elements of \(name.prefix(80))",
      found: "\(count) bytes", hint: "copy the file again")
  }
}

/// The tensors of a plain safetensors file, where they are in it. They lie one after the other behind the header.
private func safetensors(_ file: MappedFile) throws -> ([NamedPickleTensor], metadata: [String: String]) {
  guard let summary = try RecordReader(DataSource(file)).nextSummary() else { return ([], [:]) }
  var start = file.bytes.endIndex - summary.tensors.reduce(0) { $0 + $1.byteCount }
  let tensors: [NamedPickleTensor] = try summary.tensors.map { info in
    let bytes = file.bytes[start..<start + info.byteCount]
    start += info.byteCount
    return (
      info.name,
      try PickleTensor(
        bytes: bytes, type: info.elementType, shape: info.shape, isFortran: false,
        ByteCursor(bytes, file: file.name), at: bytes.startIndex)
    )
  }
  return (tensors, summary.metadata)
}

/// The bytes of a mapped file, as a source.
private final class DataSource: ByteSource {
  let name: String
  private let file: MappedFile
  private var position = 0

  init(_ file: MappedFile) { (self.file, name) = (file, file.name) }

  func read(into buffer: UnsafeMutableRawBufferPointer) -> Int {
    let count = min(buffer.count, file.bytes.count - position)
    if count > 0 {
      file.bytes.withUnsafeBytes {
        buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[position..<position + count]))
      }
    }
    position += count
    return count
  }
}
