import ImageModels
import StreamFormat
import TensorCore
import ToolRuntime

extension ToolSession {
  /// Reads a file of one model for sampling, as `readRecord` does, without keeping it in float32.
  /// - Throws: As `readRecord`.
  public func readPackedModel(
    _ input: InputPath, precision: SamplingPrecision, device: Device
  ) throws -> (PackedTransformer, ModelDescription) {
    let reader = try openRecords(input)
    let content = try readOne(reader) {
      try PackedTransformer.read(reader, precision: precision, device: device) { sizes in
        try requireMemory(
          MemoryEstimate(
            [("the weights of \(input.path)", sizes.packedBytes(precision))],
            advice: "--precision int8, or a machine with more memory"))
      }
    }
    try inherit(content.summary.withoutTensors)
    return (content.model, content.description)
  }
}
