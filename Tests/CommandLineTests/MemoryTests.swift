import Foundation
import StreamFormat
import Testing
import TestSupport

/// Sizes that fit no machine, or not into what `ulimit -v` leaves: refused in words before the work, never a trap.
@Suite struct MemoryTests {
  private let files: SharedFiles
  private let folder = try! TemporaryFolder()

  init() throws { files = try SharedFiles.get() }

  private func expectRefused(
    _ tool: String, _ arguments: [String], _ words: String..., location: SourceLocation = #_sourceLocation
  ) throws {
    let line = ([tool] + arguments).map { "'\($0)'" }.joined(separator: " ")
    // Less than any of these needs, and enough to start.
    let result = try ToolProcess.shell("ulimit -v 8000000; \(line)", in: folder.url, timeout: 60)
    expectRefusal(result, tool, 1, "memory: expected a need of at most", "try:", location: location)
    for word in words {
      #expect(result.errors.contains(word), "'\(word)' in: \(result.errors)", sourceLocation: location)
    }
    #expect(folder.names.filter { $0.hasPrefix("out") } == [], sourceLocation: location)
  }

  @Test func models() throws {
    try expectRefused(
      "train-ar", [files.tokens, "--model", "GPT-3B", "-o", "out"], "parameters and optimiser")
    try expectRefused(
      "train-ar", [files.tokens, "--width", "65536", "--layers", "511", "--heads", "16384", "-o", "out"])
    try expectRefused(
      "train-tokenizer",
      [files.images, "--size", "16", "--channels", "65536", "--multipliers", "1", "-o", "out"])
    try expectRefused(
      "train-tokenizer",
      [
        files.images, "--size", "16", "--codes", "1048576", "--code-dimension", "1048576", "--channels", "32",
        "-o", "out",
      ])
    try expectRefused(
      "train-tokenizer",
      [
        files.images, "--adversarial-start", "1", "--discriminator-channels", "4096",
        "--discriminator-layers", "2", "-o", "out",
      ]
        + SharedFiles.tokenizerSizes, "parameters and optimiser")
  }

  @Test func batches() throws {
    let large = ["--batch-size", "1048576", "-o", "out"]
    let wide = ["--layers", "1", "--heads", "2", "--width", "256"]
    try expectRefused("train-ar", [files.tokens] + large + wide, "a batch of 1048576")
    try succeed("cluster-codebook", [files.tokenizer, "--clusters", "4", "-o", folder.path("coarse")])
    try expectRefused(
      "train-fine", [files.tokens, "--mapping", "coarse"] + large + wide, "a batch of 1048576")
    try expectRefused(
      "train-tokenizer", [files.images] + SharedFiles.tokenizerSizes + large, "a batch of 1048576")
    try expectRefused(
      "tokenize",
      [files.images, "--tokenizer", files.tokenizer, "--size", "512", "--allow-upscale"] + large
        + ["--batch-size", "1048576", "--views", "random-crop", "--view-count", "1024"], "a batch of 61440")
  }

  /// A pass of several places holds their rows and logits.
  @Test func placesOfAPass() throws {
    let batch = [
      "--model", files.model, "--count", "65536", "--batch-size", "65536", "--guidance", "2", "-o", "out",
    ]
    try expectRefused("sample", batch + ["--speculate", "1024"], "a batch of 65536")
  }

  @Test func asManyPartsAsNeededAreNotRefused() throws {
    let parts = ["--batch-size", "65536", "--gradient-accumulation", "65536", "--steps", "1"]
    // The whole batch would need more; it is the first step that is interrupted here.
    let line = "ulimit -v 8000000; timeout 2 train-ar '\(files.tokens)' -o out --width 256 "
    let result = try ToolProcess.shell(line + parts.joined(separator: " "), in: folder.url)
    #expect(!result.errors.contains("memory:"), "\(result.errors)")
  }

  /// A record of zeros compresses to almost nothing, whatever its size.
  @Test func filesThatUnpackToMoreThanThereIs() throws {
    let header =
      #"{"__metadata__":{"kind":"tokenizer","version":"1"},"w":{"dtype":"F32","shape":[3000000000],"#
      + #""data_offsets":[0,12000000000]}}"#
    let size = withUnsafeBytes(of: UInt64(header.utf8.count)) { Array($0) }
    let start = try write(size + Array(header.utf8), "start", in: folder)
    let made = try ToolProcess.shell(
      "(cat '\(start)'; head -c 200000000 /dev/zero) | zstd -q1 > huge", in: folder.url)
    #expect(made.status == 0, "\(made.errors)")
    try expectRefused(
      "tokenize", [files.images, "--tokenizer", "huge", "-o", "out"], "the contents of huge 12 GB")
    try expectRefused("cluster-codebook", ["huge", "--clusters", "2", "-o", "out"], "the model in float32")
  }

  /// The sheet is measured before its cells are enlarged, which would take more than is left here.
  @Test func sheets() throws {
    let places = (0..<8).map { "0,\($0)" } + ["1,0"]
    let line =
      "ulimit -v 1000000; attention-maps '\(files.relabelled)' --model '\(files.model)' --tokenizer '\(files.rearranged)' "
      + "-o out --draw 60 --heads all --enlarge 32 --positions \(places.joined(separator: " "))"
    expectRefusal(
      try ToolProcess.shell(line, in: folder.url), "attention-maps", 65, "the sheet: 5142 x 61682 pixels")
  }

  /// A device is copied before it is imported, but not one that begins as no weights do.
  @Test func devicesWithoutAnEndAreNotImported() throws {
    for source in ["/dev/zero"] {
      let result = try ToolProcess.run(
        "import-weights", ["--as", "tokenizer", source, "-o", "out"], in: folder.url, timeout: 20)
      expectRefusal(result, "import-weights", 65, source, "not a tensor file", "try:")
    }
  }

  @Test func threadsThatDoNotStart() throws {
    let line =
      "ulimit -v 4000000; tokenize '\(files.images)' --tokenizer '\(files.tokenizer)' -o out --threads 1000"
    expectRefusal(
      try ToolProcess.shell(line, in: folder.url), "tokenize", 1, "--threads 1000: expected as many threads",
      "try: --threads")
  }
}
