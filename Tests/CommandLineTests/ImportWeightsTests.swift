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
}
