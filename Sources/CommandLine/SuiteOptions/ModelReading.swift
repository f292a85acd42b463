import ImageModels
import StreamFormat
import TensorCore
import ToolRuntime
import VAR

/// A model that draws tokens.
public enum SampledModel {
  /// One token after the other; its weights are packed.
  case raster(PackedTransformer, ModelDescription)
  /// Scale by scale.
  case scales(VARTransformer, ModelDescription)
}

extension ToolSession {
  /// Reads a file of one model for sampling, as `readRecord` does. A model of one grid is not kept in float32.
  /// - Throws: As `readRecord`.
  public func readSampledModel(
    _ input: InputPath, precision: SamplingPrecision, device: Device, scaleDevice: @autoclosure () -> Device
  ) throws -> SampledModel {
    let reader = try openRecords(input)
    guard try reader.peek()?.metadata["kind"] == FileKind.varModel.rawValue else {
      let (model, description) = try readPackedModel(reader, input, precision: precision, device: device)
      return .raster(model, description)
    }
    let record = try readOne(reader) { try reader.next() }
    try inherit(record)
    let (model, description) = try VARTransformer.read(record, device: scaleDevice())
    return .scales(model, description)
  }

  private func readPackedModel(
    _ reader: RecordReader, _ input: InputPath, precision: SamplingPrecision, device: Device
  ) throws -> (PackedTransformer, ModelDescription) {
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
