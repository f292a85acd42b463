import Foundation
import Images
import Metrics
import StreamFormat
import Testing
import TestSupport

@Suite struct EvalMetricsTests {
  let folder = try! TemporaryFolder()
  let fixtures = Fixture.folder + "/metrics/"

  struct Summary: Decodable {
    struct Side: Decodable {
      var images: Int?
      var kind: String?
    }
    struct Duplicates: Decodable {
      var within_samples: Int
      var in_reference: Int?
    }
    /// A number, or its name if it is none of JSON's.
    struct Value: Decodable {
      var number: Double
      init(from decoder: Decoder) throws {
        let container = try decoder.singleValueContainer()
        number = try (try? container.decode(Double.self)) ?? Double(container.decode(String.self)) ?? .nan
      }
    }
    private var metricValues: [String: Value]
    var metrics: [String: Double] { metricValues.mapValues(\.number) }
    var warnings: [String]
    var network: String?
    var weights_sha256: String?
    var comparable_with_published: Bool?
    var splits: Int?
    var reference: Side
    var duplicates: Duplicates?

    enum CodingKeys: String, CodingKey {
      case metricValues = "metrics"
      case warnings, network, weights_sha256, comparable_with_published, splits, reference, duplicates
    }
  }

  func evaluate(_ arguments: String...) throws -> ToolProcess.Result {
    try ToolProcess.run("eval-metrics", arguments, in: folder.url)
  }

  func summary(_ arguments: String...) throws -> Summary {
    let result = try ToolProcess.run("eval-metrics", arguments + ["--json"], in: folder.url)
    #expect(result.status == 0, "\(result.errors)")
    return try JSONDecoder().decode(Summary.self, from: Data(result.output))
  }

  /// Writes golden features as a features file; rows beyond `limit` are left out.
  func writeFeatures(
    _ name: String, of side: String, logits: String? = nil, network: String? = "inception-v3",
    weights: String = "w",
    limit: Int = .max, edit: (inout [Double]) -> Void = { _ in }
  ) throws {
    let golden = try Fixture("metrics/distribution_metrics.safetensors").record
    var tensors: [StoredTensor] = []
    for (source, target) in [(side, "features"), (logits ?? "", "logits")] where !source.isEmpty {
      let stored = try golden.tensor(source)
      let rows = min(limit, stored.shape[0])
      var values = Array(try stored.doubles().prefix(rows * stored.shape[1]))
      if target == "features" { edit(&values) }
      tensors.append(StoredTensor(name: target, shape: [rows, stored.shape[1]], doubles: values))
    }
    var metadata: [String: String] = [:]
    if let network { metadata = ["network": network, "weights_sha256": weights, "resize": "none"] }
    let sink = MemorySink()
    let writer = RecordWriter(sink)
    try writer.write(Record(kind: .features, metadata: metadata, tensors: tensors))
    try writer.finish()
    try Data(sink.bytes).write(to: folder.url.appending(path: name))
  }

  func writeImages(_ name: String, count: Int, size: Int = 12, seed: Int = 1) throws {
    let path = folder.url.appending(path: name)
    try FileManager.default.createDirectory(at: path, withIntermediateDirectories: true)
    for i in 0..<count {
      let pixels = (0..<size * size * 3).map {
        UInt8(truncatingIfNeeded: ($0 * (3 + i * seed) + i * i * 31) >> 1)
      }
      let png = try PNGEncoder.encode(RGBImage(width: size, height: size, pixels: pixels))
      try Data(png).write(to: path.appending(path: String(format: "%03d.png", i)))
    }
  }

  func expectRefusal(
    _ status: Int32, _ words: String, _ arguments: String...,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let result = try ToolProcess.run("eval-metrics", arguments, in: folder.url)
    #expect(result.status == status && result.text == "", sourceLocation: sourceLocation)
    #expect(result.errors.contains(words), "\(result.errors)", sourceLocation: sourceLocation)
  }

  // MARK: Values

  @Test func featuresFilesGiveTheReferenceValues() throws {
    try writeFeatures("a", of: "reference")
    try writeFeatures("b", of: "samples", logits: "sample_logits")
    let summary = try summary("--reference", "a", "--samples", "b", "--splits", "1")
    let golden = try Fixture("metrics/distribution_metrics.safetensors").record
    for (name, key) in [
      ("fd-inception-v3", "fid"), ("is-inception-v3", "inception_score"), ("precision", "precision"),
      ("recall", "recall"),
    ] {
      let expected = try golden.tensor(key).doubles()[0]
      #expect(abs((summary.metrics[name] ?? 0) / expected - 1) < 1e-8, "\(name)")
    }
    #expect(summary.network == "inception-v3" && summary.weights_sha256 == "w" && summary.splits == 1)
    // Only 2,048 features of Inception are FID's.
    #expect(summary.comparable_with_published == false && summary.metrics["sfd-inception-v3"] == nil)
    #expect(summary.warnings.contains { $0.hasPrefix("fd-inception-v3: 600 references and 500 samples") })
    #expect(summary.warnings.contains { $0.contains("with 48 features is not the Inception of FID") })
    #expect(!summary.warnings.contains { $0.contains("singular") })
    #expect(summary.metrics["kd-inception-v3-standard_error"] ?? 0 > 0)
  }

  @Test func storedStatisticsOfAnArchiveAreUsed() throws {
    try writeFeatures("b", of: "samples")
    let summary = try summary("--reference", fixtures + "statistics.npz", "--samples", "b")
    let golden = try Fixture("metrics/distribution_metrics.safetensors").record
    let distance = summary.metrics["fd-inception-v3"] ?? 0
    #expect(abs(distance / (try golden.tensor("fid").doubles()[0]) - 1) < 1e-8)
    #expect(summary.metrics["precision"] == nil && summary.reference.images == nil)
    #expect(summary.warnings.contains { $0.contains("weights are not recorded") })
  }

  @Test func statisticsAreComputedOnce() throws {
    try writeFeatures("a", of: "reference")
    try writeFeatures("b", of: "samples")
    #expect(try evaluate("--reference", "a", "--write-statistics", "s.tensors.zst").status == 0)
    let direct = try summary("--reference", "a", "--samples", "b", "--metrics", "fid")
    let stored = try summary("--reference", "s.tensors.zst", "--samples", "b", "--metrics", "fid")
    #expect(
      direct.metrics == stored.metrics && stored.reference.images == 600
        && stored.reference.kind == "statistics")
  }

  @Test func aNetworkOfAnotherNameIsNotCalledFID() throws {
    try writeFeatures("a", of: "reference", network: "squeezenet-1.1")
    try writeFeatures("b", of: "samples", network: "squeezenet-1.1")
    let summary = try summary("--reference", "a", "--samples", "b", "--fid-infinity")
    #expect(summary.metrics["fid"] == nil && summary.metrics["fd-squeezenet-1.1"] ?? 0 > 0)
    #expect(
      summary.metrics["fd-squeezenet-1.1-infinity"] != nil && summary.metrics["kd-squeezenet-1.1"] != nil)
    #expect(summary.comparable_with_published == false)
    let result = try evaluate("--reference", "a", "--samples", "b")
    #expect(
      result.errors.contains("not comparable with published FID")
        && result.text.contains("fd-squeezenet-1.1 "))
  }

  @Test func fewImagesWarn() throws {
    try writeFeatures("a", of: "reference")
    try writeFeatures("b", of: "samples", limit: 20)
    let summary = try summary("--reference", "a", "--samples", "b")
    #expect(summary.warnings.contains { $0.contains("20 images (samples) for 48 features") })
  }

  // MARK: Images

  @Test func theBatchSizeChangesNothing() throws {
    try writeImages("a", count: 20)
    try writeImages("b", count: 17, seed: 2)
    let one = try summary("--reference", "a", "--samples", "b", "--network", "pixels", "--batch-size", "1")
    let all = try summary("--reference", "a", "--samples", "b", "--network", "pixels", "--batch-size", "32")
    #expect(one.metrics.keys.sorted() == all.metrics.keys.sorted() && one.metrics["fd-pixels"] ?? 0 > 0)
    for (name, value) in one.metrics { #expect(abs(value - (all.metrics[name] ?? 0)) <= 1e-9 * abs(value)) }
  }

  @Test func writtenFeaturesStandForImages() throws {
    try writeImages("a", count: 9)
    try writeImages("b", count: 8, seed: 2)
    #expect(
      try evaluate("--reference", "a", "--network", "pixels", "--write-features", "f.tensors.zst").status == 0
    )
    let direct = try summary("--reference", "a", "--samples", "b", "--network", "pixels")
    let stored = try summary("--reference", "f.tensors.zst", "--samples", "b", "--network", "pixels")
    #expect(direct.metrics == stored.metrics)
  }

  @Test func archivesHoldImages() throws {
    let archive = fixtures + "images.npz"
    let summary = try summary("--reference", archive, "--samples", archive, "--network", "pixels", "--pairs")
    #expect(summary.metrics["mse"] == 0 && summary.metrics["ssim"] == 1 && summary.metrics["rfd-pixels"] == 0)
    #expect(summary.metrics["psnr"] == .infinity)
    #expect(summary.duplicates?.in_reference == 6 && summary.duplicates?.within_samples == 0)
  }

  @Test func compressedArchivesHoldTheSame() throws {
    let (plain, compressed) = (fixtures + "images.npz", fixtures + "compressed.npz")
    let summary = try summary("--reference", plain, "--samples", compressed, "--network", "pixels", "--pairs")
    #expect(summary.metrics["mse"] == 0 && summary.duplicates?.in_reference == 6)
    var flipped = [UInt8](try Data(contentsOf: URL(filePath: compressed)))
    flipped[flipped.count / 2] ^= 1
    try Data(flipped).write(to: folder.url.appending(path: "flipped"))
    try expectRefusal(
      65, "flipped: malformed", "--reference", plain, "--samples", "flipped", "--network", "pixels")
  }

  @Test func damagedArchivesAreRefused() throws {
    let whole = [UInt8](try Data(contentsOf: URL(filePath: fixtures + "images.npz")))
    var flipped = whole
    flipped[whole.count / 2] ^= 1
    for (name, bytes) in [
      ("cut", Array(whole.dropLast(30))), ("flipped", flipped), ("short", Array(whole.prefix(4))),
    ] {
      try Data(bytes).write(to: folder.url.appending(path: name))
      try expectRefusal(65, "\(name): ", "--reference", name, "--samples", name, "--network", "pixels")
    }
  }

  @Test func nearestReferencesAreShown() throws {
    try writeImages("a", count: 9)
    let result = try evaluate(
      "--reference", "a", "--samples", "a", "--network", "pixels", "--nearest-sheet", "s.png",
      "--nearest-count", "3",
      "--nearest-samples", "5")
    #expect(result.status == 0, "\(result.errors)")
    let sheet = try ImageDecoder.decode(contentsOf: folder.path("s.png"))
    #expect(sheet.width == 4 * 14 + 2 && sheet.height == 5 * 14 + 2)
    // The nearest reference of an image that is in the reference is itself.
    #expect(
      sheet.cropped(x: 2, y: 2, width: 12, height: 12) == sheet.cropped(x: 16, y: 2, width: 12, height: 12))
  }

  @Test func featuresStandForImagesOnTheSheetToo() throws {
    try writeImages("a", count: 9)
    try writeImages("b", count: 9, seed: 2)
    for (name, role) in [("a", "--reference"), ("b", "--samples")] {
      #expect(try evaluate(role, name, "--network", "pixels", "--write-features", name + ".f").status == 0)
    }
    let sheet = ["--nearest-count", "3", "--nearest-sheet"]
    let direct = try ToolProcess.run(
      "eval-metrics", ["--reference", "a", "--samples", "b", "--network", "pixels"] + sheet + ["1.png"],
      in: folder.url)
    let stored = ["--reference", "a.f", "--samples", "b.f", "--samples-images", "b"]
    let again = try ToolProcess.run(
      "eval-metrics", stored + ["--reference-images", "a"] + sheet + ["2.png"], in: folder.url)
    #expect(direct.status == 0 && again.status == 0, "\(direct.errors)\(again.errors)")
    #expect(direct.text == again.text && direct.text.contains("samples in the reference"))
    #expect(try bytes(folder.path("1.png")) == bytes(folder.path("2.png")))
    // Other images of the right number are no neighbours.
    let wrong = try ToolProcess.run(
      "eval-metrics", stored + ["--reference-images", "b"] + sheet + ["3.png"], in: folder.url)
    #expect(wrong.status == 65 && wrong.errors.contains("as in a.f; found others"), "\(wrong.errors)")
    #expect(!FileManager.default.fileExists(atPath: folder.path("3.png")))
    try expectRefusal(
      64, "of one part already", "--reference", "a.f", "--samples", "b.f", "--reference-part", "held-out")
    try expectRefusal(
      64, "are for --nearest-sheet", "--reference", "a.f", "--samples", "b.f", "--reference-images", "a")
  }

  @Test func spatialFeaturesGiveTheirDistance() throws {
    let golden = try Fixture("metrics/distribution_metrics.safetensors").record
    for (name, side) in [("a", "reference"), ("b", "samples")] {
      let stored = try golden.tensor(side)
      let features = StoredTensor(
        name: "features", shape: [stored.shape[0], 1], doubles: (0..<stored.shape[0]).map { Double($0 % 7) })
      let record = Record(
        kind: .features,
        metadata: ["network": "inception-v3", "weights_sha256": "w", "resize": "none"],
        tensors: [
          features, StoredTensor(name: "spatial", shape: stored.shape, doubles: try stored.doubles()),
        ])
      _ = try write(file(of: [record]), name, in: folder)
    }
    let expected = try golden.tensor("fid").doubles()[0]
    let direct = try summary("--reference", "a", "--samples", "b", "--metrics", "sfid")
    #expect(abs((direct.metrics["sfd-inception-v3"] ?? 0) / expected - 1) < 1e-8 && direct.metrics.count == 1)
    #expect(try evaluate("--reference", "a", "--write-statistics", "s.tensors.zst").status == 0)
    let stored = try summary("--reference", "s.tensors.zst", "--samples", "b", "--metrics", "sfid")
    #expect(stored.metrics == direct.metrics)
  }

  @Test func perceptualDistancesOfPairs() throws {
    // AlexNet's shapes with few numbers in them: each head looks at one channel, each layer at its middle.
    let layers = [(0, 3, 64, 11), (3, 64, 192, 5), (6, 192, 384, 3), (8, 384, 256, 3), (10, 256, 256, 3)]
    var tensors: [StoredTensor] = []
    for (index, (number, inputs, outputs, kernel)) in layers.enumerated() {
      var weights = [Float](repeating: 0, count: outputs * inputs * kernel * kernel)
      for place in stride(from: kernel * kernel / 2, to: weights.count, by: kernel * kernel) {
        weights[place] = Float(place % 13) / 13 - 0.4
      }
      tensors.append(
        StoredTensor(
          name: "features.\(number).weight", shape: [outputs, inputs, kernel, kernel], floats: weights))
      tensors.append(
        StoredTensor(
          name: "features.\(number).bias", shape: [outputs],
          floats: [Float](repeating: 0.1, count: outputs)))
      let head = (0..<outputs).map { Float($0 % 3) }
      tensors.append(
        StoredTensor(name: "lin\(index).model.1.weight", shape: [1, outputs, 1, 1], floats: head))
    }
    let record = Record(
      kind: .network, metadata: ["config": #"{"name":"lpips-alex"}"#], tensors: tensors)
    _ = try write(file(of: [record]), "lpips", in: folder)
    try writeImages("a", count: 4, size: 33)
    try writeImages("b", count: 4, size: 33, seed: 2)
    try writeImages("small", count: 4, size: 31)
    let equal = try summary("--reference", "a", "--samples", "a", "--pairs", "--lpips-weights", "lpips")
    #expect(equal.metrics["lpips-alex"] == 0 && equal.metrics["mse"] == 0)
    let there = try summary(
      "--reference", "a", "--samples", "b", "--pairs", "--lpips-weights", "lpips", "--batch-size", "3")
    let back = try summary("--reference", "b", "--samples", "a", "--pairs", "--lpips-weights", "lpips")
    #expect(there.metrics["lpips-alex"] ?? 0 > 0.01)
    #expect(abs((there.metrics["lpips-alex"] ?? 0) - (back.metrics["lpips-alex"] ?? 1)) < 1e-6)
    try expectRefusal(
      65, "at least 32x32", "--reference", "small", "--samples", "small", "--pairs", "--lpips-weights",
      "lpips")
  }

  // MARK: Forms of inputs

  @Test func twoFilesOfFeaturesNeedNoWeights() throws {
    try writeFeatures("a", of: "reference")
    try writeFeatures("b", of: "samples")
    let plain = try summary("--reference", "a", "--samples", "b")
    let named = try summary("--reference", "a", "--samples", "b", "--network", "inception-v3")
    #expect(plain.metrics == named.metrics && named.weights_sha256 == "w")
    try expectRefusal(
      65, "as --network says", "--reference", "a", "--samples", "b", "--network", "squeezenet-1.1")
    try writeImages("i", count: 4)
    try expectRefusal(
      64, "--network inception-v3: expected --weights, to look at the images of i", "--reference", "a",
      "--samples", "i",
      "--network", "inception-v3")
  }

  /// Two features that any 2,048 could be, under Inception's name.
  @Test func only2048FeaturesOfInceptionAreFID() throws {
    for name in ["a", "b"] {
      let d = 2048
      var covariance = [Double](repeating: 0, count: d * d)
      for i in 0..<d { covariance[i * d + i] = 1 }
      let mean = [Double](repeating: name == "a" ? 0 : 0.5, count: d)
      let record = Record(
        kind: .features, metadata: ["network": "inception-v3", "weights_sha256": "w", "resize": "none"],
        tensors: [
          StoredTensor(name: "mean", shape: [d], doubles: mean),
          StoredTensor(name: "covariance", shape: [d, d], doubles: covariance),
        ])
      _ = try write(file(of: [record]), name, in: folder)
    }
    let summary = try summary("--reference", "a", "--samples", "b")
    #expect(summary.comparable_with_published == true)
    #expect(abs((summary.metrics["fid"] ?? 0) - 512) < 1e-6)
  }
}
