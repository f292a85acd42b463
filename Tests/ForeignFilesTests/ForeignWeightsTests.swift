@testable import FeatureNetworks
@testable import ForeignFiles
import Foundation
@testable import LlamaGen
import StreamFormat
import Testing
import TestSupport

/// A file of `Fixtures/networks`.
func file(_ name: String) throws -> [UInt8] {
  [UInt8](try Data(contentsOf: URL(filePath: Fixture.folder + "/networks/" + name)))
}

/// The five arrays that `Fixtures/networks/make-files.py` writes.
private let arrays: [(name: String, shape: [Int], values: [Double])] = [
  ("a", [2, 3], [0, 0.25, 0.5, 0.75, 1, 1.25]), ("half", [2], [1.5, -2]), ("brain", [2], [0.25, 3]),
  ("count", [], [7]), ("view", [3, 2, 2], [2, 5, 14, 17, 3, 6, 15, 18, 4, 7, 16, 19]),
]

private func numbers(_ tensor: StoredTensor) throws -> [Double] {
  tensor.elementType.isFloatingPoint ? try tensor.doubles() : try tensor.integers().map { Double($0) }
}

@Suite struct ForeignWeightsTests {
  @Test(arguments: ["plain.zip.pt", "plain.legacy.pt"]) func torchFiles(name: String) throws {
    let weights = try ForeignWeights(file(name), file: name)
    #expect(weights.names == arrays.map(\.name))
    for (name, shape, values) in arrays {
      let tensor = try #require(try weights.tensor(name))
      #expect(weights.shape(name) == shape && tensor.shape == shape)
      #expect(try numbers(tensor) == values, "\(name)")
    }
    #expect(try weights.tensor("half")?.elementType == .float16)
    #expect(try weights.tensor("brain")?.elementType == .bfloat16)
    #expect(try weights.tensor("absent") == nil)
  }

  @Test func checkpointWithParametersOptimizerAndArguments() throws {
    let weights = try ForeignWeights(file("checkpoint.zip.pt"), file: "checkpoint.zip.pt")
    for (name, _, values) in arrays {
      #expect(try numbers(#require(try weights.tensor("model.module." + name))) == values, "\(name)")
    }
    #expect(try weights.tensor("optimizer.state.0.step")?.floats() == [3])
    #expect(weights.names.count == arrays.count + 1)
    let part = try WeightsImport(weights, as: .arModel)
    #expect(Set(part.inPart.keys) == Set(arrays.map(\.name)), "the part is model, without DDP's prefix")
    var settings = ImportSettings()
    settings.part = "ema"
    #expect(throws: ForeignFileError.self) { try WeightsImport(weights, as: .arModel, settings) }
  }

  @Test(arguments: [2, 4, 5]) func numpyPickles(version: Int) throws {
    let weights = try ForeignWeights(file("numpy.protocol\(version).pkl"), file: "numpy.pkl")
    for (name, shape, values) in arrays {
      let tensor = try #require(try weights.tensor(name + ".0"))
      #expect(tensor.shape == shape)
      #expect(try numbers(tensor) == values, "\(name)")
    }
  }

  @Test func numpyFiles() throws {
    for name in ["c-order.npy", "fortran-order.npy"] {
      let tensor = try #require(try ForeignWeights(file(name), file: name).tensor("array"))
      #expect(tensor.shape == arrays[0].shape)
      #expect(try numbers(tensor) == arrays[0].values)
    }
    let two = try ForeignWeights(file("two.npz"), file: "two.npz")
    #expect(two.names == ["a", "b"])
    #expect(try numbers(#require(try two.tensor("a"))) == arrays[0].values)
    #expect(try numbers(#require(try two.tensor("b"))) == [1, 0])
    let compressed = try ForeignWeights(file("compressed.npz"), file: "compressed.npz")
    #expect(try numbers(#require(try compressed.tensor("a"))) == arrays[0].values)
  }

  /// One file in 32 has a header whose length begins with the byte of a pickle.
  @Test func safetensorsWithAPicklesFirstByte() throws {
    var header = #"{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#
    header += String(repeating: " ", count: 0x180 - header.utf8.count)
    let data: [UInt8] = [0, 0, 0x80, 0x3F, 0, 0, 0, 0x40]
    let bytes = [0x80, 1, 0, 0, 0, 0, 0, 0] + Array(header.utf8) + data
    #expect(try ForeignWeights(bytes, file: "x.safetensors").tensor("x")?.floats() == [1, 2])
  }

  @Test func aFlippedBitOfAStorageIsFound() {
    #expect { try ForeignWeights(file("storage-flip.pt"), file: "flip.pt") } throws: {
      ($0 as? ForeignFileError)?.defect == .malformed
        && "\($0)".contains("data/4', whole and with the checksum")
    }
  }

  /// What stands beside the weights must not keep anybody from them.
  @Test func settingsMayHoldObjects() throws {
    func text(_ text: String) -> [UInt8] {
      [UInt8(ascii: "X"), UInt8(text.utf8.count), 0, 0, 0] + Array(text.utf8)
    }
    let path = Array("cpathlib\nPosixPath\n(".utf8) + text("/") + text("data") + Array("tR".utf8)
    let device = Array("ctorch\ndevice\n".utf8) + text("cuda") + [0x85] + Array("R".utf8)
    let set = Array("c__builtin__\nset\n](K\u{1}K\u{2}e".utf8) + [0x85] + Array("R".utf8)
    let newSet = [0x8F] + Array("(K\u{1}".utf8) + [0x90]
    let checkpoint = TorchCheckpoint(
      [("module", [StoredTensor(name: "x", shape: [1], floats: [3])])],
      arguments: [
        ("data_path", .opcodes(path)), ("device", .opcodes(device)), ("skipped", .opcodes(set)),
        ("more", .opcodes(newSet)), ("dtype", .opcodes(Array("ctorch\nbfloat16\n".utf8))),
        ("image_size", .integer(384)), ("norm_eps", .number(1e-6)), ("gpt_model", .text("GPT-L")),
      ])
    let weights = try ForeignWeights(checkpoint.bytes(), file: "c.pt")
    #expect(try weights.tensor("module.x")?.floats() == [3])
    #expect(
      weights.arguments == [
        "image_size": .integer(384), "norm_eps": .number(1e-6), "gpt_model": .text("GPT-L"),
      ])
  }

  @Test func safetensorsAndOurOwn() throws {
    let sink = MemorySink()
    let writer = RecordWriter(sink)
    try writer.write(Record(kind: .network, tensors: [StoredTensor(name: "x", shape: [2], floats: [1, 2])]))
    try writer.finish()
    let own = try ForeignWeights(sink.bytes, file: "own")
    #expect(try own.tensor("x")?.floats() == [1, 2])
    let plain = try ForeignWeights(file("inception-expected.safetensors"), file: "plain")
    #expect(plain.shape("pool.32") == [2048])
  }
}

/// Pickles that want to do something, or are broken in a way of their own.
@Suite struct PickleSafetyTests {
  private func run(_ pickle: [UInt8]) throws -> [NamedPickleTensor] {
    try PickleMachine(ByteCursor(Data(pickle), file: "evil.pkl")).content().tensors
  }

  private func defect(_ pickle: [UInt8]) -> ForeignFileError.Defect? {
    do {
      _ = try run(pickle)
      return nil
    } catch { return (error as? ForeignFileError)?.defect }
  }

  @Test(arguments: [
    "os\nsystem", "posix\nsystem", "builtins\neval", "builtins\nexec", "__builtin__\ngetattr", "nt\nsystem",
    "subprocess\nPopen", "torch\nload", "torch.storage\n_load_from_bytes",
    "torch._utils\n_rebuild_wrapper_subclass",
    "numpy\nload", "collections\nOrderedDict.update", "functools\npartial", "importlib\nimport_module",
  ])
  func everyOtherNameIsRefused(name: String) throws {
    var call: [UInt8] = [0x80, 2] + Array("c\(name)\nX".utf8)
    call += [2, 0, 0, 0] + Array("id".utf8) + [0x85] + Array("R.".utf8)
    #expect(defect(call) == .refused)
    // The same by the opcode of protocol 4.
    var stacked: [UInt8] = [0x80, 4]
    for part in name.split(separator: "\n") { stacked += [0x8C, UInt8(part.utf8.count)] + Array(part.utf8) }
    stacked += [0x93, UInt8(ascii: "N"), 0x85] + Array("R.".utf8)
    #expect(defect(stacked) == .refused)
    do {
      _ = try run(call)
    } catch let error as ForeignFileError {
      #expect(error.description.contains(name.replacing("\n", with: ".")) && error.offset == 2)
    }
  }

  @Test func opcodesThatActAreRefused() {
    // INST, OBJ, EXT1, PERSID, NEWOBJ_EX, NEXT_BUFFER.
    for opcode: UInt8 in [UInt8(ascii: "i"), UInt8(ascii: "o"), 0x82, UInt8(ascii: "P"), 0x92, 0x97] {
      #expect(defect([0x80, 4, UInt8(ascii: "("), opcode, UInt8(ascii: ".")]) == .refused, "\(opcode)")
    }
  }

  @Test func brokenPickles() {
    let cases: [(String, ForeignFileError.Defect)] = [
      ("", .truncated), (".", .malformed), ("(", .truncated), ("t.", .malformed), ("(0.", .malformed),
      ("h\u{1}.", .malformed),
      ("Na.", .malformed), ("]}s.", .malformed), ("}(NNNu.", .malformed), ("NQ.", .malformed),
      ("NNR.", .malformed),
      ("NNb.", .malformed), ("X\u{7F}\u{7F}\u{7F}\u{7F}.", .truncated), ("(2.", .malformed),
    ]
    for (text, expected) in cases {
      #expect(defect([0x80, 2] + Array(text.utf8)) == expected, "\(text)")
    }
    #expect(defect([0x80, 0, UInt8(ascii: "N"), UInt8(ascii: ".")]) == .unsupported)
    #expect(
      defect([0x80, 2, 0x8D] + [UInt8](repeating: 0xFF, count: 8)) == .malformed, "a length above Int.max")
  }

  /// A pickle that refers to one long text, or one long shape, again and again takes no more memory than its length allows.
  @Test func copiesAreCounted() throws {
    func repeated(_ call: String, _ value: [UInt8], _ arguments: [UInt8], times: Int) -> [UInt8] {
      let named = Array("c\(call)\nq\u{0}0".utf8) + value + Array("q\u{1}0".utf8)
      let calls = (0..<times).flatMap { _ in Array("h\u{0}(".utf8) + arguments + Array("tR".utf8) }
      return [0x80, 2] + named + Array("]q\u{2}(".utf8) + calls + Array("e.".utf8)
    }
    let text = [0x58, 0xA0, 0x86, 1, 0] + [UInt8](repeating: 0x61, count: 100_000)
    let encoding = Array("h\u{1}X\u{6}\0\0\0latin1".utf8)
    #expect(try run(repeated("_codecs\nencode", text, encoding, times: 5)).isEmpty)
    #expect(defect(repeated("_codecs\nencode", text, encoding, times: 100)) == .tooLarge)
    let shape = Array("(".utf8) + (0..<50_000).flatMap { _ in Array("K\u{1}".utf8) } + Array("t".utf8)
    let tensor =
      Array(
        "(X\u{7}\0\0\0storagectorch\nFloatStorage\nX\u{1}\0\0\00X\u{3}\0\0\0cpuK\u{1}tQK\0h\u{1}h\u{1}".utf8)
    #expect(try run(repeated("torch._utils\n_rebuild_tensor", shape, tensor, times: 5)).count == 5)
    #expect(defect(repeated("torch._utils\n_rebuild_tensor", shape, tensor, times: 50)) == .tooLarge)
  }

  /// One dictionary that is the state of many, each with an entry of its own; and one with keys that are no names, seen often.
  @Test func entriesAreCounted() throws {
    func dictionary(of entry: String) -> [UInt8] {
      Array("}q\u{1}(".utf8) + (0..<50_000).flatMap { _ in Array(entry.utf8) } + Array("u0".utf8)
    }
    func list(_ dictionary: [UInt8], _ item: String, times: Int) -> [UInt8] {
      [0x80, 2] + dictionary + Array("](".utf8) + (0..<times).flatMap { _ in Array(item.utf8) }
        + Array("e.".utf8)
    }
    let (many, state) = (dictionary(of: "K\u{1}N"), "}h\u{1}bK\u{2}Ns")
    #expect(try run(list(many, state, times: 5)).isEmpty)
    #expect(defect(list(many, state, times: 50)) == .tooLarge)
    let nameless = dictionary(of: "NN")
    #expect(try run(list(nameless, "h\u{1}", times: 5)).isEmpty)
    #expect(defect(list(nameless, "h\u{1}", times: 50)) == .tooLarge)
  }

  @Test func nestingAndRingsEnd() throws {
    #expect(defect([0x80, 2, UInt8(ascii: ")")] + [UInt8](repeating: 0x85, count: 100_000)) == .malformed)
    // A million lists, each the only item of the one before: appended from the outside in.
    var chain: [UInt8] = [0x80, 2] + Array("]".utf8)
    for _ in 0..<200_000 { chain += Array("]q\u{0}a0h\u{0}".utf8) }
    #expect(try run([0x80, 2] + Array("]q\u{0}h\u{0}a.".utf8)).isEmpty, "a list that holds itself")
    #expect(try run(chain + Array(".".utf8)).isEmpty)
    // A list that holds itself a hundred times has no end of ways through it.
    let knot = Array("]q\u{0}(".utf8) + (0..<100).flatMap { _ in Array("h\u{0}".utf8) } + Array("e.".utf8)
    #expect(defect([0x80, 2] + knot) == .tooLarge)
    let deep = [0x80, 2] + [UInt8](repeating: UInt8(ascii: "]"), count: 200_000)
    #expect(try run(deep + [UInt8](repeating: UInt8(ascii: "a"), count: 199_999) + Array(".".utf8)).isEmpty)
  }
}
