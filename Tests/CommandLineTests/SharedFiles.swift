import Foundation
import Images
import StreamFormat
import Testing
import TestSupport

/// One small run of the whole pipeline, made once for all tests: nothing in it may be changed by them.
final class SharedFiles: Sendable {
  /// The files, or why they could not be made.
  private static let made = Result { try SharedFiles() }

  /// The files; throws where a tool failed to make them.
  static func get() throws -> SharedFiles { try made.get() }

  /// The tokenizer's sizes: 16 x 16 pixels become 8 x 8 tokens of 32 codes.
  static let tokenizerSizes = [
    "--model", "CPU-4", "--size", "16", "--channels", "8", "--multipliers", "1,2", "--groups", "4",
    "--z-channels",
    "8", "--codes", "32", "--code-dimension", "4",
  ]
  /// The transformer's sizes.
  static let modelSizes = ["--layers", "1", "--heads", "2", "--width", "16", "--feed-forward-multiple", "16"]
  /// Every run of a test gives the same bytes with these.
  static let repeatable = ["--threads", "2", "--no-provenance"]

  let folder = try! TemporaryFolder()
  var images: String { folder.path("images") }
  var tokenizer: String { folder.path("tokenizer.tensors.zst") }
  var tokens: String { folder.path("emoji.tokens.zst") }
  /// Two views of each image.
  var views: String { folder.path("views.tokens.zst") }
  var rearranged: String { folder.path("rearranged.tensors.zst") }
  var mapping: String { folder.path("mapping.tensors.zst") }
  var relabelled: String { folder.path("relabelled.tokens.zst") }
  var model: String { folder.path("model.tensors.zst") }
  var samples: String { folder.path("samples.tokens.zst") }

  private init() throws {
    try writeImages(to: images, classes: 3, perClass: 20)
    let steps = ["--steps", "12", "--batch-size", "16"]
    try make("train-tokenizer", [images, "-o", tokenizer] + Self.tokenizerSizes + steps)
    try make("tokenize", ["--tokenizer", tokenizer, images, "-o", tokens])
    try make("tokenize", ["--tokenizer", tokenizer, images, "-o", views, "--views", "flip"])
    try make(
      "rearrange-codebook", [tokenizer, "--cluster-size", "4", "-o", rearranged, "--mapping", mapping])
    try make("relabel-tokens", ["--mapping", mapping, tokens, "-o", relabelled])
    try make("train-ar", [relabelled, "-o", model, "--cluster-size", "4"] + Self.modelSizes + steps)
    try make("sample", ["--model", model, "--count", "6", "-o", samples])
  }

  private func make(_ tool: String, _ arguments: [String]) throws {
    let result = try ToolProcess.run(tool, arguments + Self.repeatable)
    guard result.status == 0 else { throw PipelineFailed(tool: tool, errors: result.errors) }
  }

  struct PipelineFailed: Error {
    let tool: String
    let errors: String
  }
}

/// Pictures of `side` x `side` pixels in folders a, b, c: gradients whose direction is the class.
func writeImages(to folder: String, classes: Int, perClass: Int, side: Int = 16) throws {
  for label in 0..<classes {
    let path = folder + "/" + String(UnicodeScalar(UInt8(97 + label)))
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    for index in 0..<perClass {
      let image = picture(label: label, index: index, side: side)
      try Data(PNGEncoder.encode(image)).write(to: URL(filePath: path + String(format: "/%02d.png", index)))
    }
  }
}

private func picture(label: Int, index: Int, side: Int) -> RGBImage {
  var pixels: [UInt8] = []
  for y in 0..<side {
    for x in 0..<side {
      let place = [x, y, x + y][label % 3] * (1 + index % 5) * 3
      for channel in 0..<3 {
        pixels.append(UInt8((place * (channel == label % 3 ? 5 : 1) + index * 37 * (channel + 1)) % 256))
      }
    }
  }
  return RGBImage(width: side, height: side, pixels: pixels)
}

/// A file's bytes.
func bytes(_ path: String) throws -> [UInt8] { [UInt8](try Data(contentsOf: URL(filePath: path))) }

/// Writes bytes as a file of a folder, and gives its path.
func write(_ bytes: [UInt8], _ name: String, in folder: TemporaryFolder) throws -> String {
  try Data(bytes).write(to: folder.url.appending(path: name))
  return folder.path(name)
}

/// The records as a file.
func file(of records: [Record]) throws -> [UInt8] {
  let sink = MemorySink()
  let writer = RecordWriter(sink)
  for record in records { try writer.write(record) }
  try writer.finish()
  return sink.bytes
}

/// All tokens and labels of a token file, whatever its records.
func tokenBatch(_ path: String) throws -> TokenBatch {
  try TokenReader(RecordReader(FileSource(path: path))).readAll()
}

/// A file's only record.
func record(_ path: String) throws -> Record {
  try #require(try RecordReader(FileSource(path: path)).next())
}

/// Runs a tool that must succeed.
@discardableResult func succeed(
  _ tool: String, _ arguments: [String], in folder: URL? = nil, location: SourceLocation = #_sourceLocation
) throws -> ToolProcess.Result {
  let result = try ToolProcess.run(tool, arguments, in: folder, timeout: 60)
  #expect(result.status == 0, "\(tool): \(result.errors)", sourceLocation: location)
  return result
}

/// Expects that a tool refused, in words that name the tool and what is given here, and that it wrote no product.
func expectRefusal(
  _ result: ToolProcess.Result, _ tool: String, _ status: Int32, _ words: String...,
  location: SourceLocation = #_sourceLocation
) {
  #expect(result.status == status, "\(result.errors)", sourceLocation: location)
  #expect(result.errors.hasPrefix("\(tool): "), "\(result.errors)", sourceLocation: location)
  #expect(result.output.isEmpty, "standard output: \(result.text)", sourceLocation: location)
  for word in words {
    #expect(result.errors.contains(word), "'\(word)' in: \(result.errors)", sourceLocation: location)
  }
}
