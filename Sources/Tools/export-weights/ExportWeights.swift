import ArgumentParser
import LlamaGen
import StreamFormat
import TensorCore
import ToolRuntime

@main struct ExportWeights: Tool {
  static let toolName = "export-weights"
  static let summary = "Writes a tokenizer or a model for LlamaGen's programs, as safetensors and JSON."
  static let usageExample = "export-weights iar.tensors.zst --output model.safetensors --config config.json"

  @Argument(help: "Tokenizer, or autoregressive model of one stage.") var model: InputPath
  @Option(
    name: .shortAndLong, help: "Safetensors file to write: the state dictionary that LlamaGen's class loads.")
  var output: OutputPath
  @Option(help: "JSON file to write: the arguments of LlamaGen's ModelArgs that make the class.") var config:
    OutputPath?
  @OptionGroup(title: "Common") var common: CommonOptions

  func validate() throws {
    try common.requireFreeStandardOutput(besides: output, config)
    if output.isStandardOutput && config?.isStandardOutput == true {
      throw ValidationError("'-' is given for two outputs, and there is one standard output only.")
    }
  }

  func execute(_ session: ToolSession) throws {
    let record = try session.readRecord(model)
    let export = try WeightsExport(record, device: Device(threadCount: session.threads))
    for obstacle in export.obstacles {
      session.warn("warning: \(model.path): \(obstacle): its code must be changed before it loads this file")
    }
    var weights = export.weights
    weights.metadata.merge(session.provenanceMetadata) { _, new in new }
    let sink = try session.create(output)
    try writeSafetensors(weights, to: sink)
    try sink.commit()
    if let config {
      let sink = try session.create(config, binary: false)
      try sink.write(text: export.arguments + "\n")
      try sink.commit()
    }
    try session.report([
      "kind": .string(record.metadata["kind"] ?? ""), "tensors": .integer(weights.tensors.count),
      "loads_in_llamagen": .bool(export.obstacles.isEmpty),
    ])
  }
}
