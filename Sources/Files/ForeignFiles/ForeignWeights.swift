import StreamFormat

/// The arrays of a weights file that another program wrote: torch `.pt` and `.pth` (zip and the older form), a pickle of
/// numpy arrays, `.npy`, `.npz`, `.safetensors`, and the suite's own files. Nothing in the file is run or trusted.
public struct ForeignWeights {
  /// The file's name as the user gave it.
  public let file: String
  /// Names of the arrays, in the file's order; the keys of nested dictionaries and lists are joined with dots.
  public let names: [String]
  private let contents: Contents

  private enum Contents {
    case record(Record)
    case pickled([String: PickleTensor], storages: [String: ArraySlice<UInt8>])
  }

  /// Reads a file's bytes. The arrays are made when they are asked for.
  /// - Throws: ``ForeignFileError``; `FormatError` for a damaged safetensors file.
  public init(_ bytes: [UInt8], file: String) throws {
    if bytes.starts(with: [0x50, 0x4B, 3, 4]) || bytes.starts(with: [0x50, 0x4B, 5, 6]) {
      try self.init(archive: ZipArchive(bytes[...], file: file), byteCount: bytes.count, file: file)
    } else if bytes.starts(with: TorchFile.legacyStart) {
      try self.init(TorchFile(legacy: bytes, file: file), byteCount: bytes.count, file: file)
    } else if bytes.starts(with: NumPyFile.start) {
      let array = try NumPyFile.read(bytes[...], file: file)
      try self.init([("array", array)], byteCount: bytes.count, file: file)
    } else if bytes.first == 0x80 {
      let tensors = try PickleMachine(ByteCursor(bytes[...], file: file)).tensors()
      try self.init(tensors, byteCount: bytes.count, file: file)
    } else {
      try self.init(container: bytes, file: file)
    }
  }

  private init(archive: ZipArchive<ArraySlice<UInt8>>, byteCount: Int, file: String) throws {
    let names = archive.names
    if names.isEmpty || !names.allSatisfy({ $0.hasSuffix(".npy") }) {
      try self.init(TorchFile(archive: archive, file: file), byteCount: byteCount, file: file)
    } else {
      // What the members unpack to, which is more than the file where they are deflated.
      let members = try names.map { (name: $0, bytes: try archive.member($0) ?? []) }
      let arrays = try members.map {
        (name: String($0.name.dropLast(4)), tensor: try NumPyFile.read($0.bytes, file: file))
      }
      try self.init(arrays, byteCount: members.reduce(0) { $0 + $1.bytes.count }, file: file)
    }
  }

  private init(_ torch: TorchFile, byteCount: Int, file: String) throws {
    try self.init(torch.tensors, storages: torch.storages, byteCount: byteCount, file: file)
  }

  private init(container bytes: [UInt8], file: String) throws {
    let reader = RecordReader(MemorySource(bytes, name: file))
    guard let record = try reader.next() else {
      throw FormatError(
        .noRecord, at: Origin(file: file), expected: "one record", found: "none", hint: "give a weights file")
    }
    if let second = try reader.next() {
      throw FormatError(
        .streamMismatch, at: second.origin, expected: "one record in the file", found: "a second one",
        hint: "give a weights file")
    }
    self.file = file
    names = record.tensors.map(\.name)
    contents = .record(record)
  }

  private init(
    _ tensors: [NamedPickleTensor], storages: [String: ArraySlice<UInt8>] = [:], byteCount: Int, file: String
  ) throws {
    self.file = file
    // Tensors may share storages; a small file whose tensors would fill the memory is no weights file.
    let most = 8 * byteCount + 1 << 20
    var total = 0
    for (_, tensor) in tensors { total = min(most + 1, total + tensor.count * tensor.elementType.byteCount) }
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
      let data: ArraySlice<UInt8>
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

  private func bytes(of storage: PickleStorage, in storages: [String: ArraySlice<UInt8>]) throws
    -> ArraySlice<UInt8>
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
