import Foundation

/// The tools on mutated files, as a user runs them.
struct ToolRuns {
  private let tools: URL
  private let scratch: ScratchFolder
  private let before: Set<String>
  /// What a tool may end with when an input is bad.
  static let statuses: Set<Int32> = [0, 1, 64, 65, 66, 73, 74]
  /// The address space of a tool: its libraries, threads and a gigabyte of data.
  private static let kilobytes = 3 << 20

  /// - Parameter support: a folder of whole files that the commands name beside the mutated one.
  init(tools: URL, support: URL) throws {
    (self.tools, scratch) = (tools, try ScratchFolder())
    for name in try FileManager.default.contentsOfDirectory(atPath: support.path) {
      try FileManager.default.copyItem(
        at: support.appending(path: name), to: scratch.url.appending(path: name))
    }
    before = scratch.names.union(["input", "messages"])
  }

  /// What is wrong with a tool's behaviour on a file; nil if nothing is.
  func fault(of command: [String], input: [UInt8]) throws -> String? {
    try Data(input).write(to: scratch.url.appending(path: "input"))
    let child = try ChildProcess(
      [tools.appending(path: command[0]).path] + command.dropFirst(), kilobytes: Self.kilobytes,
      in: scratch.url,
      output: scratch.path("messages"), input: scratch.path("input"))
    let end = child.wait(seconds: Campaign.secondsPerFile * 2)
    let text = String(decoding: try Data(contentsOf: scratch.url.appending(path: "messages")), as: UTF8.self)
    let left = scratch.names.subtracting(before)
    for name in left { try FileManager.default.removeItem(at: scratch.url.appending(path: name)) }
    // A run may leave what belongs to it in the place of the checkpoint.
    return fault(end, text, left)
  }

  private func fault(_ end: ProcessEnd, _ text: String, _ left: Set<String>) -> String? {
    guard case .exit(let status) = end else { return "ended with \(end): \(crashReport(text))" }
    if !Self.statuses.contains(status) { return "exit status \(status): \(text.suffix(1500))" }
    let wanted: Set<String> = status == 0 ? ["output", "output2", "output-folder"] : []
    let unwanted = left.subtracting(wanted)
    if !unwanted.isEmpty {
      return "left behind \(unwanted.sorted()) with exit status \(status): \(text.suffix(500))"
    }
    return status == 0 ? nil : ErrorText.fault(in: lastLines(text))
  }

  /// The message, without warnings and progress that stand before it.
  private func lastLines(_ text: String) -> String {
    text.split(separator: "\n").last.map(String.init) ?? ""
  }
}

extension ToolRuns {
  /// The commands that read files of a kind, which is called `input`.
  static func commands(for kind: FuzzKind) -> [[String]] {
    lines(for: kind).map { line in line.split(separator: " ").map(String.init) }
      .map { $0 + ["--threads", "1"] + ($0[0] == "show-file" ? [] : ["--quiet"]) }
  }

  private static func lines(for kind: FuzzKind) -> [String] {
    switch kind {
    case .container:
      [
        "show-file input", "show-file - --provenance",
        "import-weights input --as tokenizer --image-size 8 --groups 2 --output output",
      ]
    case .tokens:
      [
        "show-file input --tensor tokens --limit 3",
        "detokenize input --tokenizer tokenizer.zst --grid output",
        "detokenize input --tokenizer tokenizer.zst --folder output-folder",
        "score-tokens input --model model.zst", "relabel-tokens - --mapping mapping.zst --output output",
        "perturb-tokens input --same-cluster coarse-mapping.zst --output output",
        "linear-probe input --model model.zst --held-out 0.5 --epochs 1 --output output",
        "train-ar input --layers 1 --heads 1 --width 8 --feed-forward-multiple 8 --steps 1 --batch-size 2 --output output",
        "eval-metrics --reference images --samples input --tokenizer tokenizer.zst --size 8 --network pixels",
        "detokenize input --tokenizer scales-tokenizer.zst --grid output",
        "train-ar input --tokenizer scales-tokenizer.zst --layers 1 --heads 1 --width 8 --steps 1 --batch-size 2 --output output",
      ]
    case .mapping:
      [
        "relabel-tokens tokens.zst --mapping input --output output",
        "perturb-tokens tokens.zst --same-cluster input --output output",
        "score-tokens tokens.zst --model model.zst --mapping input",
        "train-fine tokens.zst --mapping input --layers 1 --heads 1 --width 8 --steps 1 --batch-size 2 --output output",
      ]
    case .tokenizer:
      [
        "detokenize tokens.zst --tokenizer input --folder output-folder",
        "tokenize images --tokenizer input --output output",
        "cluster-codebook input --clusters 4 --output output",
        "rearrange-codebook input --cluster-size 4 --output output --mapping output2",
        "perturb-tokens tokens.zst --code-distance 2 --tokenizer input --output output",
        "detokenize scales.zst --tokenizer input --grid output",
      ]
    case .arModel:
      [
        "sample --model input --count 2 --output output",
        "score-tokens tokens.zst --model input --mapping mapping.zst",
        "linear-probe tokens.zst --model input --held-out 0.5 --epochs 1 --output output",
        "attention-maps tokens.zst --model input --json",
        "import-weights input --as ar-model --tokenizer tokenizer.zst --grid 4x4 --heads 1 --output output",
        "export-weights input --output output --config output2",
      ]
    case .fineModel:
      [
        "sample --model coarse.zst --fine input --count 2 --output output",
        "score-tokens tokens.zst --model coarse.zst --fine input",
      ]
    case .varModel:
      [
        "sample --model input --count 2 --output output", "score-tokens scales.zst --model input",
        "show-file input --model-card",
      ]
    case .features: ["eval-metrics --reference input --samples input --metrics fid", "show-file input"]
    case .checkpoint:
      [
        "train-ar tokens.zst --layers 1 --heads 1 --width 8 --feed-forward-multiple 8 --steps 2 --batch-size 2 --seed 1"
          + " --checkpoint input --keep-checkpoint --resume --output output"
      ]
    case .pickle, .zip, .npy:
      [
        "import-weights input --as tokenizer --image-size 8 --groups 2 --output output",
        "import-weights - --as squeezenet-1.1 --output output",
        "eval-metrics --reference input --samples images --network pixels --size 8 --metrics fid",
      ]
    case .png, .jpeg: ["tokenize list-of-input --tokenizer tokenizer.zst --output output"]
    case .imageList: ["tokenize - --tokenizer tokenizer.zst --output output"]
    case .imageTable: ["tokenize input.csv --tokenizer tokenizer.zst --output output"]
    case .imageArchive:
      [
        "tokenize input --tokenizer tokenizer.zst --output output",
        "tokenize - --tokenizer tokenizer.zst --skip-unreadable --allow-upscale --output output",
        "eval-metrics --reference input --samples images --network pixels --size 8 --metrics fid",
      ]
    case .labels: ["sample --model model.zst --labels input --output output"]
    case .requests: ["sample --model model.zst --serve"]
    }
  }
}
