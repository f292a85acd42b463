/// Runs a pickle (protocols 2 to 5) without the power to do anything: it makes plain values and descriptions of
/// arrays, and refuses every name that is not in ``PickleGlobal``.
///
/// Work and memory are bounded by the pickle's own length: each opcode makes at most one value, and what is copied of values
/// that opcodes refer to again and again is counted.
final class PickleMachine {
  var cursor: ByteCursor
  private var stack: [PickleValue] = []
  private var marks: [Int] = []
  private var memo: [Int: PickleValue] = [:]
  // Lists and dictionaries may hold one another in chains and rings. Emptying them all at the end frees both
  // without recursion.
  private var lists: [PickleList] = []
  private var dictionaries: [PickleDictionary] = []
  private static let deepestTuple = 64
  // Far beyond any real file. Each takes many times the bytes that it has in the pickle.
  private static let mostContainers = 1 << 20
  private static let mostRemembered = 1 << 22
  private var containerCount = 0
  /// Bytes and numbers that may still be copied of values that are there: a pickle writes each of them once, so that its length
  /// is enough, but for short ones that it writes once and uses often.
  private var copiesLeft: Int

  init(_ cursor: ByteCursor) { (self.cursor, copiesLeft) = (cursor, cursor.remaining + 1 << 20) }

  /// Counts a copy of a value that an opcode refers to.
  func countCopy(_ count: Int, at start: Int) throws {
    copiesLeft -= count
    guard copiesLeft >= 0 else {
      throw cursor.error(
        .tooLarge, at: start, expected: "shapes, texts and entries that take no more than the pickle",
        found: "more",
        hint: "save the weights alone")
    }
  }

  deinit {
    memo = [:]
    stack = []
    for list in lists { list.items = [] }
    for dictionary in dictionaries { dictionary.entries = [] }
  }

  /// The value of one pickle; the cursor stands behind it afterwards. What it refers to lives as long as the machine.
  func run() throws -> PickleValue {
    (stack, marks, memo) = ([], [], [:])
    while true {
      let start = cursor.position
      let opcode = try cursor.byte("a pickle's opcodes")
      if opcode == UInt8(ascii: ".") { return try pop() }
      try step(opcode, at: start)
    }
  }

  /// The tensors and plain values in the value of one pickle. They need nothing of the machine any more.
  func content() throws -> PickledTensors { try PickledTensors(try run(), cursor) }

  /// Checks that nothing follows, such as what a second torch.save has written into the same file.
  func requireEnd() throws {
    guard cursor.remaining > 0 else { return }
    throw cursor.error(
      .malformed, expected: "the end of the file", found: "\(cursor.remaining) bytes more",
      hint: "save the weights once, into a file of their own")
  }

  private func step(_ opcode: UInt8, at start: Int) throws {
    switch opcode {
    case 0x80: try protocolVersion()
    case 0x95: _ = try cursor.integer(UInt64.self, "a frame's length")
    case UInt8(ascii: "("): marks.append(stack.count)
    case UInt8(ascii: "0"): _ = try pop()
    case UInt8(ascii: "1"): _ = try popMarked()
    case UInt8(ascii: "2"): stack.append(try top())
    case UInt8(ascii: "c"): stack.append(.global(try global(module: line(), name: line(), at: start)))
    case 0x93: try stackGlobal(at: start)
    case UInt8(ascii: "R"): try reduce(at: start)
    case 0x81: try newObject(at: start)
    case UInt8(ascii: "b"): try build(at: start)
    case UInt8(ascii: "Q"): stack.append(.storage(try persistentStorage(try pop(), at: start)))
    case UInt8(ascii: "q"): try remember(Int(try cursor.byte("a memo index")), at: start)
    case UInt8(ascii: "r"): try remember(try cursor.integer(UInt32.self, "a memo index"), at: start)
    case 0x94: try remember(memo.count, at: start)
    case UInt8(ascii: "h"): try recall(Int(try cursor.byte("a memo index")), at: start)
    case UInt8(ascii: "j"): try recall(try cursor.integer(UInt32.self, "a memo index"), at: start)
    default:
      if try !pushScalar(opcode), try !changeContainer(opcode, at: start) { throw unknown(opcode, at: start) }
    }
  }

  // MARK: Plain values

  private func pushScalar(_ opcode: UInt8) throws -> Bool {
    switch opcode {
    case UInt8(ascii: "N"): stack.append(.none)
    case 0x88: stack.append(.bool(true))
    case 0x89: stack.append(.bool(false))
    case UInt8(ascii: "J"): stack.append(.integer(try cursor.integer(Int32.self, "an integer")))
    case UInt8(ascii: "K"): stack.append(.integer(Int(try cursor.byte("an integer"))))
    case UInt8(ascii: "M"): stack.append(.integer(try cursor.integer(UInt16.self, "an integer")))
    case 0x8A: stack.append(try long(Int(try cursor.byte("an integer's length"))))
    case 0x8B: stack.append(try long(try cursor.integer(Int32.self, "an integer's length")))
    case UInt8(ascii: "G"): stack.append(.number(try bigEndianDouble()))
    case UInt8(ascii: "X"): stack.append(try string(cursor.integer(UInt32.self, "a string's length")))
    case 0x8C, UInt8(ascii: "U"): stack.append(try string(Int(try cursor.byte("a string's length"))))
    case UInt8(ascii: "T"): stack.append(try string(cursor.integer(Int32.self, "a string's length")))
    case 0x8D: stack.append(try string(cursor.integer(UInt64.self, "a string's length")))
    case UInt8(ascii: "C"): stack.append(.bytes(try cursor.take(Int(try cursor.byte("a length")), "bytes")))
    case UInt8(ascii: "B"):
      stack.append(.bytes(try cursor.take(try cursor.integer(UInt32.self, "a length"), "bytes")))
    case 0x8E, 0x96:
      stack.append(.bytes(try cursor.take(try cursor.integer(UInt64.self, "a length"), "bytes")))
    default: return false
    }
    return true
  }

  private func long(_ count: Int) throws -> PickleValue {
    let bytes = Array(try cursor.take(count, "an integer"))
    if bytes.count > 8 { return .bigInteger(bytes) }
    var value: UInt64 = bytes.last.map { $0 >= 0x80 } == true ? .max : 0
    for byte in bytes.reversed() { value = value << 8 | UInt64(byte) }
    return .integer(Int(Int64(bitPattern: value)))
  }

  private func bigEndianDouble() throws -> Double {
    Double(bitPattern: try cursor.take(8, "a number").reduce(0) { $0 << 8 | UInt64($1) })
  }

  private func string(_ count: Int) throws -> PickleValue {
    .string(String(decoding: try cursor.take(count, "a string"), as: UTF8.self))
  }

  private func protocolVersion() throws {
    let version = try cursor.byte("the pickle's protocol")
    guard (2...5).contains(version) else {
      throw cursor.error(
        .unsupported, expected: "a pickle of protocol 2 to 5", found: "protocol \(version)",
        hint: "save the weights again with a current version of the program")
    }
  }

  // MARK: Containers

  private func changeContainer(_ opcode: UInt8, at start: Int) throws -> Bool {
    switch opcode {
    case UInt8(ascii: ")"): try pushTuple([], at: start)
    case 0x85, 0x86, 0x87: try pushTuple(popLast(Int(opcode - 0x84)), at: start)
    case UInt8(ascii: "t"): try pushTuple(popMarked(), at: start)
    // A set is kept as a list; nothing that is read here looks into one.
    case UInt8(ascii: "]"), 0x8F: stack.append(.list(try newList([], at: start)))
    case 0x91, UInt8(ascii: "l"): stack.append(.list(try newList(try popMarked(), at: start)))
    case UInt8(ascii: "a"): try append(popLast(1), at: start)
    case UInt8(ascii: "e"), 0x90: try append(popMarked(), at: start)
    case UInt8(ascii: "}"): stack.append(.dictionary(try newDictionary(at: start)))
    case UInt8(ascii: "d"):
      let items = try popMarked()
      stack.append(.dictionary(try newDictionary(at: start)))
      try set(items, at: start)
    case UInt8(ascii: "s"): try set(popLast(2), at: start)
    case UInt8(ascii: "u"): try set(popMarked(), at: start)
    default: return false
    }
    return true
  }

  private func pushTuple(_ items: [PickleValue], at start: Int) throws {
    try countContainer(at: start)
    let depth = 1 + (items.map(\.tupleDepth).max() ?? 0)
    guard depth <= Self.deepestTuple else {
      throw malformed("tuples at most \(Self.deepestTuple) deep", "more", at: start)
    }
    stack.append(.tuple(items, depth: depth))
  }

  private func append(_ items: [PickleValue], at start: Int) throws {
    guard case .list(let list) = try top() else { throw malformed("a list", try top().kind, at: start) }
    list.items += items
  }

  private func set(_ items: [PickleValue], at start: Int) throws {
    guard case .dictionary(let dictionary) = try top() else {
      throw malformed("a dictionary", try top().kind, at: start)
    }
    guard items.count % 2 == 0 else {
      throw malformed("keys and values in pairs", "\(items.count) items", at: start)
    }
    for i in stride(from: 0, to: items.count, by: 2) { dictionary.entries.append((items[i], items[i + 1])) }
  }

  private func countContainer(at start: Int) throws {
    containerCount += 1
    guard containerCount <= Self.mostContainers else {
      throw tooMany("\(Self.mostContainers) lists, tuples and dictionaries", at: start)
    }
  }

  private func tooMany(_ what: String, at start: Int) -> ForeignFileError {
    cursor.error(
      .tooLarge, at: start, expected: "at most \(what)", found: "more", hint: "save the weights alone")
  }

  private func remember(_ index: Int, at start: Int) throws {
    memo[index] = try top()
    guard memo.count <= Self.mostRemembered else {
      throw tooMany("\(Self.mostRemembered) remembered values", at: start)
    }
  }

  private func newList(_ items: [PickleValue], at start: Int) throws -> PickleList {
    try countContainer(at: start)
    lists.append(PickleList())
    lists[lists.count - 1].items = items
    return lists[lists.count - 1]
  }

  func newDictionary(at start: Int) throws -> PickleDictionary {
    try countContainer(at: start)
    dictionaries.append(PickleDictionary())
    return dictionaries[dictionaries.count - 1]
  }

  // MARK: Stack

  func push(_ value: PickleValue) { stack.append(value) }

  func pop() throws -> PickleValue { try popLast(1)[0] }

  func top() throws -> PickleValue {
    let value = try pop()
    stack.append(value)
    return value
  }

  private func popLast(_ count: Int) throws -> [PickleValue] {
    // What lies under a mark belongs to the object around it.
    guard stack.count - (marks.last ?? 0) >= count else {
      throw malformed("\(count) values on the stack", "fewer", at: cursor.position)
    }
    defer { stack.removeLast(count) }
    return Array(stack.suffix(count))
  }

  private func popMarked() throws -> [PickleValue] {
    guard let mark = marks.popLast() else { throw malformed("a mark", "none", at: cursor.position) }
    defer { stack.removeLast(stack.count - mark) }
    return Array(stack[mark...])
  }

  private func recall(_ index: Int, at start: Int) throws {
    guard let value = memo[index] else { throw malformed("a memo \(index)", "none", at: start) }
    stack.append(value)
  }

  func malformed(_ expected: String, _ found: String, at offset: Int) -> ForeignFileError {
    cursor.error(.malformed, at: offset, expected: expected, found: found, hint: "copy the file again")
  }
}
