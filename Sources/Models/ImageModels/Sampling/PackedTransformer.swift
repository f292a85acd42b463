import NeuralNet
import TensorCore

/// A transformer's weights in the layout and number format that sampling reads. They are packed one by one, so
/// that a model can be read without ever being in memory in float32 as a whole.
public final class PackedTransformer {
  struct Block {
    let wqkv, wo, w2: PackedLinear
    /// w1 and w3 of the feed-forward layer, their panels in turn: a gate lies beside what it multiplies.
    let gateUp: PackedLinear
    let attentionNorm, feedForwardNorm: Tensor
  }

  /// A parameter as model files have it, and what packs it.
  struct Parameter {
    let name: String
    let shape: [Int]
    fileprivate let fill: (UnsafePointer<Float>) -> Void
  }

  public let configuration: TransformerConfiguration
  /// The format of the weights.
  public let precision: SamplingPrecision
  let device: Device
  let classTable, tokenTable: EmbeddingTable
  let blocks: [Block]
  let finalNorm: Tensor
  let output: PackedLinear
  /// Cos and sin for the class position and every token, [1 + N, headSize / 2, 2].
  private(set) lazy var rotation = RotaryTable.make(
    device: device, rows: configuration.gridRows, columns: configuration.gridColumns,
    headSize: configuration.headSize, base: configuration.ropeBase)
  private(set) var parameters: [Parameter] = []

  /// Weights still to be filled.
  init(_ c: TransformerConfiguration, _ precision: SamplingPrecision, device: Device) {
    (configuration, self.precision, self.device) = (c, precision, device)
    let memory = StreamedMemory(bytes: Self.bytes(c, precision))
    func linear(_ outputs: Int, _ inputs: Int) -> PackedLinear {
      PackedLinear(outputs: outputs, inputs: inputs, precision, in: memory)
    }
    classTable = EmbeddingTable(rows: c.classCount + 1, width: c.width, precision, in: memory)
    tokenTable = EmbeddingTable(rows: c.vocabularySize, width: c.width, precision, in: memory)
    blocks = (0..<c.layers).map { _ in
      Block(
        wqkv: linear(3 * c.width, c.width), wo: linear(c.width, c.width),
        w2: linear(c.width, c.feedForwardWidth), gateUp: linear(Self.gateUpOutputs(c), c.width),
        attentionNorm: device.empty([c.width]), feedForwardNorm: device.empty([c.width]))
    }
    finalNorm = device.empty([c.width])
    output = linear(c.vocabularySize, c.width)
    declareParameters()
  }

  /// Packs a model that is in memory.
  public convenience init(_ model: Transformer, precision: SamplingPrecision = .float32) {
    self.init(model.configuration, precision, device: model.store.device)
    for parameter in model.store.parameters { fill(parameter.name, parameter.variable.value.pointer) }
    complete()
  }

  /// Ends the filling. A file that claims a large model and holds none has cost no memory before this.
  func complete() { _ = rotation }

  /// Each of w1 and w3 in whole panels.
  static func gateUpOutputs(_ c: TransformerConfiguration) -> Int {
    2 * PackedLinear.panels(c.feedForwardWidth) * PackedLinear.panel
  }

  /// Memory of the weights.
  static func bytes(_ c: TransformerConfiguration, _ precision: SamplingPrecision) -> Int {
    func linear(_ outputs: Int, _ inputs: Int) -> Int {
      PackedLinear.bytes(outputs: outputs, inputs: inputs, precision)
    }
    let block =
      linear(3 * c.width, c.width) + linear(c.width, c.width) + linear(c.width, c.feedForwardWidth)
      + linear(gateUpOutputs(c), c.width)
    return c.layers * block + linear(c.vocabularySize, c.width)
      + EmbeddingTable.bytes(rows: c.classCount + 1, width: c.width, precision)
      + EmbeddingTable.bytes(rows: c.vocabularySize, width: c.width, precision)
  }

  private func declareParameters() {
    let (c, device) = (configuration, device)
    func declare(_ name: String, _ shape: [Int], _ fill: @escaping (UnsafePointer<Float>) -> Void) {
      parameters.append(Parameter(name: name + ".weight", shape: shape, fill: fill))
    }
    func declare(
      _ name: String, _ matrix: PackedLinear, outputs: Int? = nil, first: Int = 0, step: Int = 1
    ) {
      let outputs = outputs ?? matrix.outputs
      declare(name, [outputs, matrix.inputs]) {
        matrix.pack($0, outputs: outputs, first: first, step: step, on: device)
      }
    }
    func declare(_ name: String, _ norm: Tensor) {
      declare(name, norm.shape) { norm.pointer.update(from: $0, count: norm.count) }
    }
    func declare(_ name: String, _ table: EmbeddingTable, rows: Int) {
      declare(name, [rows, c.width]) { table.fill($0, rows: rows) }
    }
    declare("cls_embedding.embedding_table", classTable, rows: c.classCount + 1)
    declare("tok_embeddings", tokenTable, rows: c.vocabularySize)
    for (index, block) in blocks.enumerated() {
      let name = "layers.\(index)."
      declare(name + "attention.wqkv", block.wqkv)
      declare(name + "attention.wo", block.wo)
      declare(name + "feed_forward.w1", block.gateUp, outputs: c.feedForwardWidth, step: 2)
      declare(name + "feed_forward.w2", block.w2)
      declare(name + "feed_forward.w3", block.gateUp, outputs: c.feedForwardWidth, first: 1, step: 2)
      declare(name + "attention_norm", block.attentionNorm)
      declare(name + "ffn_norm", block.feedForwardNorm)
    }
    declare("norm", finalNorm)
    declare("output", output)
  }

  /// Packs one parameter.
  func fill(_ name: String, _ values: UnsafePointer<Float>) {
    guard let parameter = parameters.first(where: { $0.name == name }) else {
      preconditionFailure("PackedTransformer: no parameter \(name)")
    }
    parameter.fill(values)
  }
}
