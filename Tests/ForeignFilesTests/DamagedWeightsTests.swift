@testable import ForeignFiles
import Foundation
import StreamFormat
import Testing
import TestSupport

/// Damaged files: any error will do, a crash or a wrong size will not.
@Suite struct DamagedWeightsTests {
  static let names = [
    "plain.zip.pt", "plain.legacy.pt", "checkpoint.zip.pt", "numpy.protocol2.pkl", "numpy.protocol4.pkl",
    "numpy.protocol5.pkl", "c-order.npy", "two.npz", "compressed.npz",
  ]

  private func readAll(_ bytes: [UInt8]) throws {
    let weights = try ForeignWeights(bytes, file: "damaged")
    for name in weights.names {
      let tensor = try weights.tensor(name)
      #expect(tensor?.shape == weights.shape(name))
    }
  }

  private func expectNoSurprise(_ bytes: [UInt8]) -> Bool {
    do {
      try readAll(bytes)
      return true
    } catch {
      #expect(error is ForeignFileError || error is FormatError, "\(error)")
      return false
    }
  }

  @Test(arguments: names) func truncated(name: String) throws {
    let whole = try file(name)
    #expect(expectNoSurprise(whole))
    for length in 0..<whole.count {
      #expect(!expectNoSurprise(Array(whole.prefix(length))), "\(length) bytes")
    }
  }

  @Test(arguments: names) func mutated(name: String) throws {
    let whole = try file(name)
    var random = CounterBytes(seed: 17)
    for _ in 0..<4000 {
      var bytes = whole
      for _ in 0...random.next(4) {
        let place = random.next(bytes.count)
        switch random.next(4) {
        case 0: bytes[place] = UInt8(random.next(256))
        case 1: bytes[place] ^= 1 << UInt8(random.next(8))
        case 2: bytes[place] = [0, 0xFF, 0x7F, 0x80][random.next(4)]
        default: bytes.insert(bytes[random.next(bytes.count)], at: place)
        }
      }
      _ = expectNoSurprise(bytes)
    }
  }

  /// A second torch.save or pickle.dump into the same file would be passed over.
  @Test(arguments: ["plain.legacy.pt", "numpy.protocol2.pkl", "numpy.protocol4.pkl", "numpy.protocol5.pkl"])
  func bytesBehindAPickleAreRefused(name: String) throws {
    let whole = try file(name)
    for more in [whole, [0]] {
      #expect {
        try ForeignWeights(whole + more, file: name)
      } throws: {
        ($0 as? ForeignFileError)?.description.contains(
          "expected the end of the file; found \(more.count) bytes more") == true
      }
    }
  }

  /// Three dictionaries of 41 long keys, each of which holds the one below, and an array in the lowest: 35 kB whose names would
  /// take 50 MB.
  @Test func longNamesOfFewArraysAreRefused() throws {
    let array = try file("numpy.protocol2.pkl").dropFirst(2).dropLast()
    func text(_ letter: UInt8, _ number: Int) -> [UInt8] {
      let digits = Array("\(number)".utf8)
      return [0x58, 250, 0, 0, 0] + [UInt8](repeating: letter, count: 250 - digits.count) + digits
    }
    // The values of a dictionary are recalled: 0x68 200.
    var pickle: [UInt8] = [0x80, 2] + array + [UInt8(ascii: "q"), 200, UInt8(ascii: "0")]
    for level in 0..<3 {
      pickle += Array("}(".utf8)
      for key in 0..<41 { pickle += text(UInt8(ascii: "a") + UInt8(level), key) + [UInt8(ascii: "h"), 200] }
      pickle += [UInt8(ascii: "u"), UInt8(ascii: "q"), 200, UInt8(ascii: "0")]
    }
    pickle += [UInt8(ascii: "h"), 200, UInt8(ascii: ".")]
    #expect(pickle.count < 40_000)
    #expect {
      try ForeignWeights(pickle, file: "names.pkl")
    } throws: {
      ($0 as? ForeignFileError)?.description.contains("expected names of at most 16777216 bytes together")
        == true
    }
  }

  /// A byte each in the file, and eighty in memory.
  @Test(arguments: [
    ("]", 1 << 21), ("}", 1 << 21), (")", 1 << 21), ("N\u{85}", 1 << 21), ("\u{94}", 1 << 23),
  ])
  func moreContainersThanAnyFileHasAreRefused(opcodes: String, count: Int) throws {
    let bytes = opcodes.unicodeScalars.map { UInt8($0.value) }
    let repeated = (0..<count).flatMap { _ in bytes }
    #expect {
      try ForeignWeights([0x80, 4, UInt8(ascii: "N")] + repeated + [UInt8(ascii: ".")], file: "many.pkl")
    } throws: {
      ($0 as? ForeignFileError)?.defect == .tooLarge
    }
  }

  /// As the state of torch's MultiStepLR has one.
  @Test func aCounterIsPassedOver() throws {
    let array = try file("numpy.protocol2.pkl").dropFirst(2).dropLast()
    let counter = Array("ccollections\nCounter\n}(K\u{3}K\u{1}u\u{85}R".utf8.map { $0 }).filter { $0 != 0xC2 }
    let key: [UInt8] = [0x58, 1, 0, 0, 0, UInt8(ascii: "s")]
    let plain = try ForeignWeights(
      [0x80, 2] + Array("}".utf8) + [0x58, 1, 0, 0, 0, UInt8(ascii: "w")] + array + Array("s.".utf8),
      file: "a")
    let with = try ForeignWeights(
      [0x80, 2] + Array("}".utf8) + [0x58, 1, 0, 0, 0, UInt8(ascii: "w")] + array + Array("s".utf8) + key
        + counter + Array("s.".utf8),
      file: "b")
    #expect(with.names == plain.names && !plain.names.isEmpty)
  }

  @Test func tensorsStayInsideTheirStorage() throws {
    let cursor = ByteCursor(Data(), file: "x")
    let storage = PickleStorage(key: "0", type: .float32, elementCount: 24)
    let cases: [(shape: [Int], strides: [Int], offset: Int)] = [
      ([1 << 40], [0], 0), ([25], [1], 0), ([24], [1], 1), ([1 << 62, 4], [1, 1], 0), ([2], [1 << 62], 0),
      ([-1], [1], 0), ([2], [-1], 5), ([1], [1], 24), ([], [], 24), ([-1, 0], [1, 1], 0),
      ([1 << 40, 1 << 40, 0], [1, 1, 1], 0),
    ]
    for (shape, strides, offset) in cases {
      let tensor = PickleTensor(source: .storage(storage), offset: offset, shape: shape, strides: strides)
      #expect(throws: ForeignFileError.self, "\(shape) \(strides) \(offset)") {
        try tensor.check(elementsOfSource: 24, cursor, at: 0)
      }
    }
    let last = PickleTensor(
      source: .storage(storage), offset: 5, shape: [4, 0, 1 << 40], strides: [1, 1, 1])
    try last.check(elementsOfSource: 24, cursor, at: 0)
    #expect(last.dense(from: Data(count: 96)).isEmpty)
  }

  /// Five thousand names for one storage of 100 kB: a half gigabyte from a file of little more.
  @Test func manyNamesForOneStorageAreRefused() throws {
    func text(_ string: String) -> [UInt8] { [0x58, UInt8(string.utf8.count), 0, 0, 0] + Array(string.utf8) }
    let count: [UInt8] = [UInt8(ascii: "J"), 0x00, 0x64, 0, 0]
    let storage =
      Array("(".utf8) + text("storage") + Array("ctorch\nFloatStorage\n".utf8) + text("0") + text("cpu")
      + count
      + Array("tQ".utf8)
    let tensor =
      Array("ctorch._utils\n_rebuild_tensor_v2\n(".utf8) + storage + [UInt8(ascii: "K"), 0] + count
      + [0x85, UInt8(ascii: "K"), 1, 0x85] + [0x89] + Array("}tR".utf8)
    var pickle: [UInt8] = [0x80, 2] + Array("](".utf8)
    pickle += tensor + Array("q\u{1}".utf8)
    for _ in 0..<5000 { pickle += Array("h\u{1}".utf8) }
    pickle += Array("e.".utf8)
    let keys: [UInt8] = [0x80, 2] + Array("]".utf8) + text("0") + Array("a.".utf8)
    let protocolNumber: [UInt8] = [0x80, 2, UInt8(ascii: "M"), 0xE9, 0x03, UInt8(ascii: ".")]
    let system: [UInt8] = [0x80, 2, UInt8(ascii: "}"), UInt8(ascii: ".")]
    let data: [UInt8] = [0x00, 0x64, 0, 0, 0, 0, 0, 0] + [UInt8](repeating: 0, count: 0x6400 * 4)
    let bytes = TorchFile.legacyStart + protocolNumber + system + pickle + keys + data
    #expect { try ForeignWeights(bytes, file: "many.pt") } throws: {
      ($0 as? ForeignFileError)?.defect == .tooLarge
    }
  }
}

/// A small generator for damage.
private struct CounterBytes {
  var state: UInt64
  init(seed: UInt64) { state = seed }

  mutating func next(_ bound: Int) -> Int {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Int(state >> 33) % bound
  }
}
