import CTF
import ImageModels
import NeuralNet
import StreamFormat
import TensorCore
import VAR

/// Readers of model files.
extension InputCheck {
  func checkTokenizer(_ bytes: [UInt8]) throws {
    let record = try only(bytes)
    let tokenizer = try Tokenizer(record, device: device)
    try requireFinite(tokenizer.store)
    let again = try Tokenizer(try only(file([tokenizer.record()])), device: device)
    try expect(isSame(try again.record(), try tokenizer.record()), "written again, the tokenizer is another")
    let last = tokenizer.configuration.codebookSize - 1
    let tokens = (0..<(tokenizer.configuration.multiScale?.tokenCount ?? 4)).map { $0 % 2 * last }
    let images = try tokenizer.images(of: tokens, rows: 2, columns: 2)
    try images.requireFinite("the images")
  }

  func checkTransformer(_ bytes: [UInt8]) throws {
    let record = try only(bytes)
    let (model, description) = try Transformer.read(record, device: device)
    try requireFinite(model.store)
    let (again, copy) = try Transformer.read(
      try only(file([model.record(description: description)])), device: device)
    try expectSame(
      (again.configuration, copy, again.record(description: copy)),
      (model.configuration, description, model.record(description: description)))
    let reader = RecordReader(MemorySource(bytes, name: "input"))
    let packed = try PackedTransformer.read(reader, precision: .int8, device: device)
    try expect(packed?.description == description, "the packed model has other settings")
  }

  func checkFineModel(_ bytes: [UInt8]) throws {
    let (model, description) = try FineModel.read(try only(bytes), device: device)
    try requireFinite(model.store)
    try expect(
      model.fineToCoarse.allSatisfy { (0..<model.configuration.inputCodes).contains($0) },
      "a coarse label out of range")
    let (again, copy) = try FineModel.read(
      try only(file([model.record(description: description)])), device: device)
    try expect(
      copy == description && again.fineToCoarse == model.fineToCoarse,
      "written again, the model has other settings")
    try expect(
      isSame(try again.record(description: copy), try model.record(description: description)),
      "written again, the model has other weights")
  }

  func checkScaleModel(_ bytes: [UInt8]) throws {
    let (model, description) = try VARTransformer.read(try only(bytes), device: device)
    try requireFinite(model.store)
    try requireFinite(model.frozen)
    let (again, copy) = try VARTransformer.read(
      try only(file([model.record(description: description)])), device: device)
    try expectSame(
      (again.configuration, copy, again.record(description: copy)),
      (model.configuration, description, model.record(description: description)))
  }

  /// A model that was read, written and read again.
  private func expectSame<Sizes: Equatable>(
    _ again: (sizes: Sizes, description: ModelDescription, record: Record),
    _ model: (sizes: Sizes, description: ModelDescription, record: Record)
  ) throws {
    try expect(
      again.description == model.description && again.sizes == model.sizes,
      "written again, the model has other settings")
    try expect(isSame(again.record, model.record), "written again, the model has other weights")
  }

  private func requireFinite(_ store: ParameterStore) throws {
    for parameter in store.parameters where !parameter.variable.value.isFinite {
      throw WrongResult("\(parameter.name) is not finite")
    }
  }
}
