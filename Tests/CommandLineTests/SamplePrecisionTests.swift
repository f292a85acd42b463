import Foundation
import StreamFormat
import Testing
import TestSupport

/// `sample --precision`, and what sampling says of a broken model.
@Suite struct SamplePrecisionTests {
  private let files: SharedFiles
  private let folder = try! TemporaryFolder()

  init() throws { files = try SharedFiles.get() }

  @Test(arguments: ["float32", "bfloat16", "int8"]) func theFormatIsRecorded(_ precision: String) throws {
    let target = folder.path("\(precision).tokens.zst")
    let result = try succeed(
      "sample", ["--model", files.model, "--count", "6", "-o", target, "--precision", precision, "--quiet"])
    let record = try record(target)
    let settings = try #require(record.metadata["sampling"])
    if result.errors.isEmpty {
      #expect(settings.contains("\"precision\":\"\(precision)\""), "\(settings)")
    } else {
      #expect(result.errors.contains("not supported by this processor; using float32"))
      #expect(settings.contains("\"precision\":\"float32\""), "\(settings)")
    }
    #expect(try #require(record.metadata["provenance"]).contains("--precision"))
    let tokens = try tokenBatch(target).tokens
    #expect(tokens.count == 6 * 64 && tokens.allSatisfy { $0 < 32 })
  }

  @Test func float32IsTheDefault() throws {
    let (one, other) = (folder.path("one.tokens.zst"), folder.path("other.tokens.zst"))
    let common = ["--model", files.model, "--count", "3"] + SharedFiles.repeatable
    try succeed("sample", common + ["-o", one])
    try succeed("sample", common + ["-o", other, "--precision", "float32"])
    #expect(try bytes(one) == bytes(other))
  }

  @Test func unknownFormatsAreRefused() throws {
    let sampled = try ToolProcess.run("sample", ["--model", "no", "--precision", "int4", "-o", "x"])
    expectRefusal(sampled, "sample", 64, "int4", "bfloat16")
    // Training does not do with 8 bits.
    let trained = try ToolProcess.run("train-ar", ["no", "--precision", "int8", "-o", "x"])
    expectRefusal(trained, "train-ar", 64, "int8", "bfloat16")
  }

  @Test(arguments: ["float32", "bfloat16", "int8"]) func aModelWithNaNsFails(_ precision: String) throws {
    var model = try record(files.model)
    let place = try #require(model.tensors.firstIndex { $0.name == "layers.0.feed_forward.w2.weight" })
    var values = try model.tensors[place].floats()
    values[3] = .nan
    let name = model.tensors[place].name
    model.tensors[place] = StoredTensor(name: name, shape: model.tensors[place].shape, floats: values)
    let broken = try write(file(of: [model]), "broken.tensors.zst", in: folder)
    let target = folder.path("none.tokens.zst")
    let result = try ToolProcess.run(
      "sample", ["--model", broken, "--count", "2", "-o", target, "--precision", precision])
    expectRefusal(
      result, "sample", 65, "broken.tensors.zst", "tensor 'layers.0.feed_forward.w2.weight'", "nan")
    #expect(folder.names == ["broken.tensors.zst"])
  }
}
