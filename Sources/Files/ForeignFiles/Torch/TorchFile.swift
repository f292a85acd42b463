import FoundationEssentials
import Glibc
import StreamFormat

/// A file of `torch.save`: what its pickle holds, and the storages that tensors refer to.
struct TorchFile {
  let content: PickledTensors
  let storages: [String: Data]

  /// The format since torch 1.6: a zip archive of `data.pkl` and one member for each storage.
  /// - Parameter members: what the archive holds, by name.
  init(members: [String: Data], file: String) throws {
    let names = members.keys.sorted()
    guard let name = names.first(where: { $0 == "data.pkl" || $0.hasSuffix("/data.pkl") }),
      let pickle = members[name]
    else {
      throw ForeignFileError(
        defect: .unknownFormat, file: file, offset: nil,
        expected: "a zip archive by torch.save, with data.pkl",
        found: "members \(names.prefix(4).joined(separator: ", "))",
        hint: "give a weights file; TorchScript and other archives are not read")
    }
    let prefix = String(name.dropLast("data.pkl".count))
    if let order = members[prefix + "byteorder"], !order.elementsEqual("little".utf8) {
      throw Self.bigEndian(file)
    }
    let data = prefix + "data/"
    storages = Dictionary(
      uniqueKeysWithValues: members.filter { $0.key.hasPrefix(data) }.map {
        (String($0.key.dropFirst(data.count)), $0.value)
      })
    let machine = PickleMachine(ByteCursor(pickle, file: file))
    content = try machine.content()
    try machine.requireEnd()
  }

  /// The first bytes of the older format: a pickle of the number 0x1950a86a20f9469cfc6c.
  static let legacyStart: [UInt8] = [
    0x80, 2, 0x8A, 10, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19, UInt8(ascii: "."),
  ]

  /// The format before torch 1.6: five pickles, then the storages in the order that the last pickle names.
  init(legacy bytes: Data, file: String) throws {
    var cursor = ByteCursor(bytes, file: file)
    cursor.position += Self.legacyStart.count
    let machine = PickleMachine(cursor)
    guard try machine.run().asInteger == 1001 else {
      throw machine.malformed("torch's protocol 1001", "another", at: Self.legacyStart.count)
    }
    if case .dictionary(let system) = try machine.run() {
      for case (.string("little_endian"), .bool(false)) in system.entries { throw Self.bigEndian(file) }
    }
    content = try machine.content()
    let start = machine.cursor.position
    guard case .list(let keys) = try machine.run() else {
      throw machine.malformed("a list of storages", "none", at: start)
    }
    var sizes: [String: Int] = [:]
    for case (_, let tensor) in content.tensors {
      if case .storage(let storage) = tensor.source { sizes[storage.key] = storage.type.byteCount }
    }
    storages = try Self.legacyStorages(keys.items.compactMap(\.asString), sizes, machine)
    try machine.requireEnd()
  }

  private static func legacyStorages(
    _ keys: [String], _ sizes: [String: Int], _ machine: PickleMachine
  ) throws -> [String: Data] {
    var storages: [String: Data] = [:]
    for key in keys {
      let start = machine.cursor.position
      let count = try machine.cursor.integer(UInt64.self, "a storage's size")
      guard let elementSize = sizes[key] else {
        throw machine.cursor.error(
          .unsupported, at: start, expected: "storages of the tensors in the file alone",
          found: "another, \(key)",
          hint: "save the weights alone (torch.save of a state_dict)")
      }
      let (total, overflow) = count.multipliedReportingOverflow(by: elementSize)
      guard !overflow else { throw machine.malformed("a storage's size", "\(count)", at: start) }
      storages[key] = try machine.cursor.take(total, "a storage")
    }
    return storages
  }

  private static func bigEndian(_ file: String) -> ForeignFileError {
    ForeignFileError(
      defect: .unsupported, file: file, offset: nil, expected: "little-endian numbers",
      found: "big-endian ones",
      hint: "save the weights on a little-endian machine")
  }
}
