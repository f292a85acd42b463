import FoundationEssentials
import Glibc
import StreamFormat

/// The few functions and types that pickles of arrays refer to, done by hand. None of them runs code of the file's.
extension PickleMachine {
  func line() throws -> String {
    var text: [UInt8] = []
    while true {
      let byte = try cursor.byte("a name")
      if byte == UInt8(ascii: "\n") { return String(decoding: text, as: UTF8.self) }
      text.append(byte)
    }
  }

  func global(module: String, name: String, at start: Int) throws -> PickleGlobal {
    let full = module + "." + name
    guard let known = PickleGlobal(rawValue: full) else {
      throw cursor.error(
        .refused, at: start, expected: "a pickle of arrays and plain values only",
        found: "the name \(full.prefix(200))",
        hint: "save the weights alone (torch.save of a state_dict), or as safetensors")
    }
    return known
  }

  func stackGlobal(at start: Int) throws {
    let (name, module) = (try pop(), try pop())
    guard let module = module.asString, let name = name.asString else {
      throw malformed("a module and a name", "\(module.kind) and \(name.kind)", at: start)
    }
    push(.global(try global(module: module, name: name, at: start)))
  }

  func unknown(_ opcode: UInt8, at start: Int) -> ForeignFileError {
    cursor.error(
      .refused, at: start, expected: "an opcode of a pickle of arrays",
      found: "opcode 0x" + String(opcode, radix: 16), hint: "save the weights alone, or as safetensors")
  }

  /// Calls a function with arguments.
  func reduce(at start: Int) throws {
    let (arguments, function) = (try pop(), try pop())
    guard case .global(let global) = function, let items = arguments.asTuple else {
      throw malformed("a function and its arguments", "\(function.kind) and \(arguments.kind)", at: start)
    }
    push(try call(global, items, at: start))
  }

  /// Makes an object without arguments, whose state is set afterwards.
  func newObject(at start: Int) throws {
    let (arguments, type) = (try pop(), try pop())
    guard case .global(let global) = type, arguments.asTuple?.isEmpty == true,
      [.orderedDictionary, .namespace].contains(global)
    else { throw malformed("a dictionary's type", "\(type.kind) of \(arguments.kind)", at: start) }
    push(.dictionary(try newDictionary(at: start)))
  }

  private func call(_ global: PickleGlobal, _ items: [PickleValue], at start: Int) throws -> PickleValue {
    switch global {
    case .orderedDictionary where items.isEmpty, .namespace where items.isEmpty:
      return .dictionary(try newDictionary(at: start))
    case .counter where items.count <= 1:
      // Of a learning rate's milestones; nothing that is read here looks into one.
      return try items.first ?? .dictionary(newDictionary(at: start))
    case .encode: return try encoded(items, at: start)
    case .torchSize where items.count == 1: return items[0]
    case .rebuildTensor where items.count >= 4, .rebuildTensorV2 where items.count >= 4:
      return .tensor(try torchTensor(items, at: start))
    case .rebuildParameter where items.count >= 1: return items[0]
    case .numpyReconstruct, .numpyReconstruct2: return .array(PickleArray())
    case .numpyFromBuffer where items.count == 4, .numpyFromBuffer2 where items.count == 4:
      guard case .bytes(let bytes) = items[0], case .elementType(let type) = items[1],
        let shape = try integers(items[2], at: start), let order = items[3].asString
      else { break }
      return .tensor(
        try PickleTensor(
          bytes: bytes, type: type.type, shape: shape, isFortran: order == "F", cursor, at: start))
    case .numpyType: return .elementType(try elementType(items, at: start))
    case .numpyScalar where items.count == 2, .numpyScalar2 where items.count == 2:
      guard case .elementType(let type) = items[0], case .bytes(let bytes) = items[1] else { break }
      return .tensor(PickleTensor(source: .bytes(bytes, type.type), offset: 0, shape: [], strides: []))
    case .set where items.count <= 1, .set2 where items.count <= 1, .frozenSet where items.count <= 1,
      .frozenSet2 where items.count <= 1:
      return items.first ?? .tuple([], depth: 1)
    case let type where type.isInert: return .inert
    default: break
    }
    throw malformed("a call of \(global.rawValue) as torch and numpy write it", "other arguments", at: start)
  }

  /// Sets the state of an object.
  func build(at start: Int) throws {
    let state = try pop()
    switch try top() {
    case .array(let array): array.tensor = try numpyTensor(state, at: start)
    case .elementType(let type): try checkByteOrder(state, type, at: start)
    case .dictionary(let dictionary):
      // An OrderedDict's own attributes (torch's _metadata) are of no use here; a Namespace's are its content.
      if dictionary.entries.isEmpty, case .dictionary(let content) = state, content !== dictionary {
        // Once another entry is added, they are.
        try countCopy(content.entries.count, at: start)
        dictionary.entries = content.entries
      }
    case .inert: break
    default: throw malformed("an object that has a state", try top().kind, at: start)
    }
  }

  /// A tuple of integers, which each tensor has a copy of.
  private func integers(_ value: PickleValue, at start: Int) throws -> [Int]? {
    try countCopy(value.asTuple?.count ?? 0, at: start)
    return value.asIntegers
  }

  // MARK: torch

  func persistentStorage(_ value: PickleValue, at start: Int) throws -> PickleStorage {
    guard let items = value.asTuple, items.count >= 5, items[0].asString == "storage",
      case .global(let global) = items[1], let type = global.storageType, let key = items[2].asString,
      let count = items[4].asInteger, count >= 0
    else { throw malformed("a torch storage", value.kind, at: start) }
    if items.count > 5, case .none = items[5] {
    } else if items.count > 5 {
      throw cursor.error(
        .unsupported, at: start, expected: "a storage of its own", found: "a view of another storage",
        hint: "save the weights again with torch 1.6 or later")
    }
    return PickleStorage(key: key, type: type, elementCount: count)
  }

  private func torchTensor(_ items: [PickleValue], at start: Int) throws -> PickleTensor {
    guard case .storage(let storage) = items[0], let offset = items[1].asInteger,
      let shape = try integers(items[2], at: start), let strides = try integers(items[3], at: start),
      shape.count == strides.count, offset >= 0
    else { throw malformed("a tensor's storage, offset, shape and strides", "other arguments", at: start) }
    let tensor = PickleTensor(source: .storage(storage), offset: offset, shape: shape, strides: strides)
    try tensor.check(elementsOfSource: storage.elementCount, cursor, at: start)
    return tensor
  }

  // MARK: numpy

  /// Protocol 2 has no bytes: numpy's come as text to be encoded in Latin 1.
  private func encoded(_ items: [PickleValue], at start: Int) throws -> PickleValue {
    guard items.count == 2, let text = items[0].asString, items[1].asString == "latin1" else {
      throw malformed("text in Latin 1", "other arguments", at: start)
    }
    try countCopy(text.utf8.count, at: start)
    let bytes = text.unicodeScalars.compactMap { UInt8(exactly: $0.value) }
    guard bytes.count == text.unicodeScalars.count else {
      throw malformed("text in Latin 1", "other text", at: start)
    }
    return .bytes(Data(bytes))
  }

  private func elementType(_ items: [PickleValue], at start: Int) throws -> PickleElementType {
    guard let code = items.first?.asString, let type = ElementType(numpy: code) else {
      throw cursor.error(
        .unsupported, at: start, expected: "an array of numbers",
        found: "element type \(items.first?.asString ?? items.first?.kind ?? "none")",
        hint: "save the array as float32")
    }
    return PickleElementType(type)
  }

  private func checkByteOrder(_ state: PickleValue, _ type: PickleElementType, at start: Int) throws {
    guard let items = state.asTuple, items.count > 1, let order = items[1].asString else {
      throw malformed("an element type's state", state.kind, at: start)
    }
    guard order == "<" || order == "|" || (order == "=" || type.type.byteCount == 1) else {
      throw cursor.error(
        .unsupported, at: start, expected: "little-endian numbers", found: "byte order '\(order)'",
        hint: "save the array in the machine's own order")
    }
  }

  private func numpyTensor(_ state: PickleValue, at start: Int) throws -> PickleTensor {
    guard let items = state.asTuple, items.count == 5, let shape = try integers(items[1], at: start),
      case .elementType(let type) = items[2], case .bool(let isFortran) = items[3],
      case .bytes(let bytes) = items[4]
    else { throw malformed("a numpy array's state", state.kind, at: start) }
    return try PickleTensor(
      bytes: bytes, type: type.type, shape: shape, isFortran: isFortran, cursor, at: start)
  }
}
