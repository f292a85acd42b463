import Foundation
import StreamFormat
import Testing
import TestSupport

@Suite struct ImportWeightsTests {
  private func run(_ arguments: String..., in folder: TemporaryFolder) throws -> ToolProcess.Result {
    try ToolProcess.run("import-weights", arguments, in: folder.url)
  }

  @Test func aPickleThatActsIsRefusedByName() throws {
    let folder = try TemporaryFolder()
    let pickle =
      [0x80, 2] + Array("cos\nsystem\n(X".utf8) + [12, 0, 0, 0] + Array("touch caught".utf8)
      + Array("tR.".utf8)
    try Data(pickle).write(to: folder.url.appending(path: "evil.pkl"))
    let result = try run("--as", "squeezenet-1.1", "evil.pkl", "--output", "out.tensors.zst", in: folder)
    #expect(result.status == 65)
    #expect(result.errors.contains("evil.pkl: byte 2: refused") && result.errors.contains("os.system"))
    #expect(folder.names == ["evil.pkl"], "nothing ran and nothing was written")
  }

  @Test func tensorsOfAnotherNetworkAreBadData() throws {
    let folder = try TemporaryFolder()
    let file = Fixture.folder + "/networks/plain.zip.pt"
    for target in ["squeezenet-1.1", "efficientnet-lite0", "inception-v3", "tokenizer"] {
      let result = try run("--as", target, file, "--output", "out.tensors.zst", in: folder)
      #expect(result.status == 65, "\(target)")
      #expect(
        result.errors.hasPrefix("import-weights: \(file): ") && result.errors.contains("; expected "))
    }
    #expect(folder.names.isEmpty)
  }

  @Test func usage() throws {
    let folder = try TemporaryFolder()
    #expect(try run("--as", "vgg", "x.pt", "--output", "y", in: folder).status == 64)
    #expect(try run("--as", "ar-model", "x.pt", "--output", "y", in: folder).status == 64, "no tokenizer")
    #expect(try run("--as", "tokenizer", "x.pt", "--grid", "16", "--output", "y", in: folder).status == 64)
    #expect(try run("--as", "tokenizer", "absent.pt", "--output", "y", in: folder).status == 66)
    #expect(try run("--help", in: folder).text.contains("import-weights --as inception-v3"))
  }

  /// The tiny tokenizer under LlamaGen's names, as a checkpoint and back.
  @Test func importsATokenizer() throws {
    let folder = try TemporaryFolder()
    let source = Fixture.folder + "/vq_tiny.safetensors"
    let record = try #require(try RecordReader(FileSource(path: source)).next())
    let parameters = record.tensors.filter { $0.name.hasPrefix("param.") }.map {
      $0.renamed("model." + $0.name.dropFirst(6))
    }
    try #require(!parameters.isEmpty)
    let sink = MemorySink()
    let writer = RecordWriter(sink)
    try writer.write(Record(tensors: parameters))
    try writer.finish()
    try Data(sink.bytes).write(to: folder.url.appending(path: "vq.safetensors"))
    let arguments = [
      "--as", "tokenizer", "vq.safetensors", "--output", "vq.tensors.zst", "--image-size", "32", "--json",
    ]
    let result = try ToolProcess.run("import-weights", arguments, in: folder.url)
    #expect(result.status == 0, "\(result.errors)")
    #expect(result.text.contains("\"tensors\":\(parameters.count)"))
    let shown = try ToolProcess.run("show-file", ["vq.tensors.zst"], in: folder.url)
    #expect(shown.status == 0 && shown.text.contains("tokenizer"))
  }

  /// Two parts that differ in the codebook: `model` is taken, and the user is told.
  @Test func partsAreNamedAndComparedInTheirCodebook() throws {
    let folder = try TemporaryFolder()
    let record = try Fixture("vq_tiny.safetensors").record
    let own = record.tensors.filter { $0.name.hasPrefix("param.") }.map {
      $0.renamed(String($0.name.dropFirst(6)))
    }
    let old = try own.map {
      $0.name == "quantize.embedding.weight"
        ? StoredTensor(name: $0.name, shape: $0.shape, floats: try $0.floats().reversed()) : $0
    }
    let bytes = try TorchCheckpoint([("ema", old), ("model", own)]).bytes()
    try Data(bytes).write(to: folder.url.appending(path: "vq.pt"))
    let arguments = ["--as", "tokenizer", "vq.pt", "--image-size", "32", "--json", "--output"]
    let result = try ToolProcess.run("import-weights", arguments + ["a"], in: folder.url)
    #expect(result.status == 0 && result.text.contains("\"part\":\"model\""), "\(result.errors)")
    #expect(result.errors.contains("taking the part 'model' of vq.pt"))
    #expect(result.errors.contains("the parts 'model' and 'ema' have different codebooks"))
    let other = try ToolProcess.run("import-weights", arguments + ["b", "--part", "ema"], in: folder.url)
    #expect(other.status == 0 && other.text.contains("\"part\":\"ema\""))
    // The same by a pipe.
    let pipe = "cat vq.pt | import-weights --as tokenizer - --image-size 32 --no-provenance --output c; "
    let again = "import-weights --as tokenizer vq.pt --image-size 32 --no-provenance --output d; cmp c d"
    let piped = try ToolProcess.shell(pipe + again, in: folder.url)
    #expect(piped.status == 0, "\(piped.errors)")
    // A model of what the args do not tell is asked for.
    let gpt = try Fixture("gpt_tiny.safetensors").record.tensors.filter { $0.name.hasPrefix("param.") }.map {
      $0.renamed(String($0.name.dropFirst(6)))
    }
    try Data(try TorchCheckpoint([("model", gpt)]).bytes()).write(to: folder.url.appending(path: "gpt.pt"))
    let model = try run("--as", "ar-model", "gpt.pt", "--tokenizer", "a", "--output", "m", in: folder)
    #expect(model.status == 64 && model.errors.contains("gpt.pt: expected the checkpoint's args to say"))
    // What it does tell is the number of codes, which is another one than the tokenizer's.
    let classes = try #require(gpt.first { $0.name == "cls_embedding.embedding_table.weight" }).shape[0] - 1
    let unlike = try run(
      "--as", "ar-model", "gpt.pt", "--tokenizer", "a", "--output", "m", "--heads", "2", "--grid", "4x4",
      "--classes",
      "\(classes)", in: folder)
    #expect(
      unlike.status == 65 && unlike.errors.contains("codes, as --tokenizer has; found"), "\(unlike.errors)")
    #expect(!folder.names.contains("m"))
  }

  @Test func aFlippedBitOrANaNIsBadData() throws {
    let folder = try TemporaryFolder()
    let flip = Fixture.folder + "/networks/storage-flip.pt"
    let result = try run("--as", "tokenizer", flip, "--output", "x", in: folder)
    #expect(
      result.status == 65 && result.errors.contains("with the checksum stored for it"), "\(result.errors)")
    #expect(folder.names.isEmpty)
  }
}
