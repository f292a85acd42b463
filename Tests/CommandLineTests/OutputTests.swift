import Foundation
import Images
import Testing
import TestSupport

/// Products appear whole or not at all, and what they are.
@Suite struct OutputTests {
  private let files: SharedFiles
  private let folder = try! TemporaryFolder()

  init() throws { files = try SharedFiles.get() }

  /// Every tool with an output file, without it.
  private var writers: [(tool: String, arguments: [String], option: String)] {
    let steps = ["--steps", "1", "--batch-size", "4"]
    return [
      ("train-tokenizer", [files.images] + SharedFiles.tokenizerSizes + steps, "--output"),
      ("tokenize", ["--tokenizer", files.tokenizer, files.images], "--output"),
      ("rearrange-codebook", [files.tokenizer, "--cluster-size", "4"], "--output"),
      ("rearrange-codebook", [files.tokenizer, "--cluster-size", "4"], "--mapping"),
      ("relabel-tokens", ["--mapping", files.mapping, files.tokens], "--output"),
      ("train-ar", [files.relabelled] + SharedFiles.modelSizes + steps, "--output"),
      ("sample", ["--model", files.model, "--count", "2"], "--output"),
      ("score-tokens", ["--model", files.model, files.relabelled], "--logits"),
      ("detokenize", ["--tokenizer", files.rearranged, files.samples], "--grid"),
      ("detokenize", ["--tokenizer", files.rearranged, files.samples], "--npz"),
      ("detokenize", ["--tokenizer", files.rearranged, files.samples], "--folder"),
    ]
  }

  @Test func foldersThatCannotBeWrittenTo() throws {
    // Not even root can write to /proc.
    for (tool, arguments, option) in writers {
      for place in [folder.path("missing/out"), "/proc/out"]
      where !(option == "--folder" && place.hasPrefix("/tmp")) {
        let result = try ToolProcess.run(tool, arguments + [option, place])
        expectRefusal(result, tool, 73, "\(place)", "cannot create")
        if tool.hasPrefix("train") {
          #expect(!result.errors.contains("steps in"), "checked before the training")
        }
      }
    }
  }

  @Test func aFullDiskIsAnError() throws {
    for (tool, arguments, option) in writers where option != "--folder" {
      let result = try ToolProcess.run(tool, arguments + [option, "/dev/full"])
      expectRefusal(result, tool, 74, "/dev/full: writing failed: No space left on device")
    }
    let line = "tokenize --tokenizer '\(files.tokenizer)' '\(files.images)' > /dev/full"
    expectRefusal(try ToolProcess.shell(line), "tokenize", 74, "No space left on device")
  }

  @Test func aDiskThatFillsUpLeavesTheTargetUntouched() throws {
    for (tool, arguments, option) in writers where option != "--folder" {
      let target = try write(Array("precious".utf8), "target", in: folder)
      let command = ([tool] + arguments + [option, target]).map { "'\($0)'" }.joined(separator: " ")
      // A limit of no byte at all stands for the disk: the smallest of these files is below one block.
      let result = try ToolProcess.shell("(ulimit -f 0; \(command)) 2>&1 | cat")
      #expect(result.status == 74, "\(tool) \(option): \(result.text)")
      #expect(result.text.contains("\(tool): \(target): writing failed: File too large"))
      #expect(try bytes(target) == Array("precious".utf8), "\(tool) \(option)")
      #expect(folder.names == ["target"], "no temporary file remains")
    }
  }

  @Test func foldersOfPictures() throws {
    let target = folder.path("pictures")
    let command = ["--tokenizer", files.rearranged, files.samples, "--folder", target]
    try succeed("detokenize", command)
    let names = try FileManager.default.subpathsOfDirectory(atPath: target).filter { $0.hasSuffix(".png") }
      .sorted()
    #expect(
      names == [
        "a/000000.png", "a/000003.png", "b/000001.png", "b/000004.png", "c/000002.png", "c/000005.png",
      ])
    let picture = try ImageDecoder.decode(contentsOf: target + "/b/000001.png")
    #expect(picture.width == 16 && picture.height == 16)

    let again = try ToolProcess.run("detokenize", command)
    expectRefusal(again, "detokenize", 73, target, "expected a new or empty folder; found 3 entries", "try:")
    #expect(folder.names == ["pictures"])
  }

  @Test func rowsOfClassesAndOriginals() throws {
    let sheet = folder.path("sheet.png")
    let command = ["--tokenizer", files.rearranged, files.samples, "--grid", sheet]
    try succeed("detokenize", command + ["--row-per-class"])
    let rows = try ImageDecoder.decode(contentsOf: sheet)
    #expect(rows.height > rows.width, "three rows of two")
    try succeed("detokenize", command + ["--columns", "6"])
    let line = try ImageDecoder.decode(contentsOf: sheet)
    #expect(line.width > 5 * line.height)
    try succeed(
      "detokenize",
      [
        "--tokenizer", files.tokenizer, files.tokens, "--grid", sheet, "--originals", files.images, "--limit",
        "4",
      ])
    let missing = try ToolProcess.run("detokenize", command + ["--originals", folder.path("no")])
    expectRefusal(missing, "detokenize", 66, folder.path("no"), "expected a folder of images")
  }

  private static let hasNumPy =
    (try? ToolProcess.shell("python3 -c 'import numpy'").status) == 0

  @Test(.enabled(if: hasNumPy, "python3 with numpy is not there: NumPy's own reading of .npz is not tested"))
  func numPyReadsTheArchive() throws {
    try succeed(
      "detokenize",
      [
        "--tokenizer", files.rearranged, files.samples, "--npz", folder.path("s.npz"), "--folder",
        folder.path("s"),
      ])
    let script =
      "import numpy; z = numpy.load('s.npz'); a, l = z['arr_0'], z['arr_1']; "
      + "print(sorted(z.files), a.dtype, a.shape, l.dtype, l.tolist(), a[4].sum())"
    let result = try ToolProcess.shell("python3 -c \"\(script)\"", in: folder.url)
    let sum = try ImageDecoder.decode(contentsOf: folder.path("s/b/000004.png")).pixels.reduce(0) {
      $0 + Int($1)
    }
    #expect(
      result.text == "['arr_0', 'arr_1'] uint8 (6, 16, 16, 3) int64 [0, 1, 2, 0, 1, 2] \(sum)\n",
      "\(result.errors)")
  }
}
