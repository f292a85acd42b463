import Foundation
import Images
import Metrics
import StreamFormat
import TestSupport
import Testing

/// What eval-metrics reads from where, and what it refuses.
extension EvalMetricsTests {
  @Test func statisticsThatNothingHasAreRefused() throws {
    func statistics(_ name: String, _ covariance: [Double]) throws {
      let record = Record(
        kind: .features, metadata: ["network": "n", "weights_sha256": "w", "resize": "none"],
        tensors: [
          StoredTensor(name: "mean", shape: [2], doubles: [0, 0]),
          StoredTensor(name: "covariance", shape: [2, 2], doubles: covariance),
        ])
      _ = try write(file(of: [record]), name, in: folder)
    }
    try statistics("good", [2, 1, 1, 2])
    // Eigenvalues 6 and -4; and 0 and 2, with a rounding error.
    try statistics("bad", [1, 5, 5, 1])
    try statistics("singular", [1, 1, 1, 1 + 1e-7])
    try expectRefusal(
      65, "bad: expected a symmetric positive semi-definite", "--reference", "good", "--samples", "bad")
    #expect(try evaluate("--reference", "good", "--samples", "singular").status == 0)
    let none = fixtures + "no-features.tensors.zst"
    try expectRefusal(65, "tensor 'mean' of at least one feature", "--reference", none, "--samples", none)
  }

  /// ADM's references hold images beside the statistics: both are of use.
  @Test func anArchiveOfBothGivesBoth() throws {
    let python = """
      import numpy as np
      a = np.arange(20 * 8 * 8 * 3).reshape(20, 8, 8, 3) * 37 % 251
      d = 2048
      np.savez('both.npz', mu=np.zeros(d), sigma=np.eye(d), arr_0=a.astype('u1'))
      """
    guard try ToolProcess.shell("python3 -c \"\(python)\"", in: folder.url).status == 0 else { return }
    let fid = try evaluate(
      "--reference", "both.npz", "--samples", "both.npz", "--metrics", "fid", "--network", "inception-v3",
      "--json")
    #expect(fid.status == 0 && fid.text.contains("\"fid\":0"), "\(fid.errors)")
    try expectRefusal(
      64, "expected --weights, to look at the images of both.npz", "--reference", "both.npz", "--samples",
      "both.npz",
      "--metrics", "precision-recall", "--network", "inception-v3")
    // Of another network the statistics are of no use, and the images are.
    let pixels = try summary(
      "--reference", "both.npz", "--samples", "both.npz", "--network", "pixels", "--metrics",
      "precision-recall")
    #expect(pixels.metrics["precision"] == 1 && pixels.metrics["recall"] == 1)
  }

  /// What was given for images, and would have changed their scores.
  @Test func optionsThatChangeNothingAreSaid() throws {
    try writeFeatures("a", of: "reference")
    let sized = try evaluate("--reference", "a", "--samples", "a", "--size", "16")
    #expect(sized.status == 0 && sized.errors.contains("--size is for images"), "\(sized.errors)")
    let tokenizer = try SharedFiles.get().tokenizer
    let decoded = try evaluate("--reference", "a", "--samples", "a", "--tokenizer", tokenizer)
    #expect(decoded.status == 0 && decoded.errors.contains("--tokenizer is for tokens"), "\(decoded.errors)")
    try expectRefusal(
      64, "go with --reference-part", "--reference", "a", "--samples", "a", "--split-seed", "3")
  }

  /// A pipe gives its bytes once, whatever name it has.
  @Test func pipesAreReadWhole() throws {
    try writeFeatures("a", of: "reference")
    let expected = try evaluate("--reference", "a", "--samples", "a").text
    for line in [
      "cat a | eval-metrics --reference a --samples -",
      "cat a | eval-metrics --reference a --samples /dev/stdin",
      "eval-metrics --reference a --samples <(cat a)",
      "mkfifo f; cat a > f & eval-metrics --reference a --samples f",
    ] {
      let result = try ToolProcess.shell("bash -c '\(line)'", in: folder.url)
      #expect(result.status == 0 && result.text == expected, "\(line): \(result.errors)")
    }
    let archive = fixtures + "images.npz"
    let images = "eval-metrics --reference \(archive) --network pixels --pairs --samples"
    let direct = try ToolProcess.shell("\(images) \(archive)", in: folder.url)
    let piped = try ToolProcess.shell("cat \(archive) | \(images) -", in: folder.url)
    #expect(direct.status == 0 && piped.text == direct.text, "\(piped.errors)")
  }

  /// What nobody has asked for does not cost the metrics that can be had of few images.
  @Test func metricsOfMoreImagesThanThereAreAreLeftOut() throws {
    try writeFeatures("a", of: "reference")
    try writeFeatures("three", of: "samples", limit: 3)
    try writeFeatures("two", of: "samples", limit: 2)
    try writeFeatures("one", of: "samples", limit: 1)
    let three = try summary("--reference", "a", "--samples", "three").metrics.keys
    #expect(three.contains { $0.hasPrefix("fd") || $0 == "fid" } && three.contains { $0.hasPrefix("k") })
    #expect(!three.contains("precision"))
    let two = try evaluate("--reference", "a", "--samples", "two")
    #expect(two.status == 0 && two.text.contains("f") && !two.text.contains("precision"), "\(two.text)")
    for words in [
      "kernel distance is left out: it needs at least 3 images, and there are 2",
      "is left out: it needs at least 4",
    ] {
      #expect((two.text + two.errors).contains(words), "\(two.text) \(two.errors)")
    }
    try expectRefusal(65, "at least 2 images; found 1", "--reference", "a", "--samples", "one")
  }

  private func pixels(of name: String) throws -> [UInt8] {
    try ImageDecoder.decode([UInt8](Data(contentsOf: folder.url.appending(path: name))), name: name).pixels
  }

  /// A table that names the images of a folder, and an array of the same pixels.
  @Test func tablesAndArraysAreReadAsFoldersAre() throws {
    try writeImages("a", count: 5)
    try writeImages("b", count: 5, seed: 2)
    let rows = (0..<5).map { String(format: "%03d.png,x\n", $0) }.joined()
    try Data(rows.utf8).write(to: folder.url.appending(path: "b/b.csv"))
    let outside = (0..<5).map { String(format: "b/%03d.png,x\n", $0) }.joined()
    try Data(outside.utf8).write(to: folder.url.appending(path: "b.csv"))
    let expected = try summary("--reference", "a", "--samples", "b", "--network", "pixels").metrics
    for table in ["b/b.csv", "b.csv"] {
      #expect(try summary("--reference", "a", "--samples", table, "--network", "pixels").metrics == expected)
    }
    // The names of a table are those of its folder, so that they pair.
    let pairs = try evaluate("--reference", "b/b.csv", "--samples", "b", "--network", "pixels", "--pairs")
    #expect(pairs.status == 0 && pairs.errors.contains("5 pairs"), "\(pairs.errors)")
    let content = try (0..<5).flatMap {
      try pixels(of: String(format: "b/%03d.png", $0))
    }
    let header = "{'descr': '|u1', 'fortran_order': False, 'shape': (5, 12, 12, 3), }"
    let padded = header + String(repeating: " ", count: 117 - header.utf8.count) + "\n"
    try Data([0x93] + Array("NUMPY".utf8) + [1, 0, 118, 0] + Array(padded.utf8) + content).write(
      to: folder.url.appending(path: "b.npy"))
    #expect(try summary("--reference", "a", "--samples", "b.npy", "--network", "pixels").metrics == expected)
    try expectRefusal(
      65, "t.csv, line 1: expected 'path,class'", "--reference", "a", "--samples",
      write(Array("\n".utf8), "t.csv", in: folder), "--network", "pixels")
  }

  // MARK: Wrong use

  @Test func incomparableFeaturesAreRefused() throws {
    try writeFeatures("a", of: "reference")
    try writeFeatures("other", of: "samples", network: "squeezenet-1.1")
    try writeFeatures("weights", of: "samples", weights: "v")
    try writeFeatures("nan", of: "samples") { $0[48 * 7 + 3] = .nan }
    try writeFeatures("three", of: "samples", limit: 3)
    try expectRefusal(65, "squeezenet-1.1", "--reference", "a", "--samples", "other")
    try expectRefusal(65, "weights v", "--reference", "a", "--samples", "weights")
    try expectRefusal(65, "nan: image 7: expected finite", "--reference", "a", "--samples", "nan")
    try expectRefusal(
      65, "at least 4 images; found 3", "--reference", "a", "--samples", "three", "--metrics",
      "precision-recall")
    try expectRefusal(65, "expected logits", "--reference", "a", "--samples", "a", "--metrics", "is")
    try expectRefusal(66, "missing", "--reference", "a", "--samples", "missing")
  }

  @Test func unfitImagesAreRefused() throws {
    try writeImages("a", count: 5)
    try writeImages("mixed", count: 5)
    try FileManager.default.copyItem(
      atPath: Fixture.folder + "/images/resize-source.png", toPath: folder.path("mixed/zzz.png"))
    try expectRefusal(65, "try: --size", "--reference", "a", "--samples", "mixed", "--network", "pixels")
    #expect(
      try evaluate("--reference", "a", "--samples", "mixed", "--network", "pixels", "--size", "8").status == 0
    )
    try expectRefusal(65, "expected 5 images", "--reference", "a", "--samples", "mixed", "--pairs")

    try FileManager.default.createDirectory(atPath: folder.path("jpeg"), withIntermediateDirectories: true)
    for i in 0..<4 {
      // The name does not make it a PNG.
      try FileManager.default.copyItem(
        atPath: Fixture.folder + "/images/photo.jpg", toPath: folder.path("jpeg/\(i).png"))
    }
    try expectRefusal(65, "--allow-jpeg", "--reference", "a", "--samples", "jpeg", "--network", "pixels")
    let allowed = try evaluate("--reference", "a", "--samples", "jpeg", "--network", "pixels", "--allow-jpeg")
    #expect(allowed.status == 0, "\(allowed.errors)")
  }

  @Test func wrongOptionsAreRefusedBeforeAnyFileIsOpened() throws {
    try expectRefusal(64, "--reference", "--samples", "b")
    try expectRefusal(64, "nexpected", "--reference", "a", "--samples", "b", "c")
    try expectRefusal(64, "is none of", "--reference", "a", "--samples", "b", "--metrics", "fid,fod")
    try expectRefusal(64, "must be one of", "--reference", "a", "--samples", "b", "--network", "vgg")
    try expectRefusal(64, "take one side", "--reference", "a", "--samples", "b", "--write-statistics", "c")
    try expectRefusal(64, "needs --pairs", "--reference", "a", "--samples", "b", "--lpips-weights", "c")
  }
}
