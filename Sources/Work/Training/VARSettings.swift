import Datasets
import ImageModels
import StreamFormat
import TensorCore
import VAR

/// The settings of a VAR transformer.
public struct VARSettings: ExperimentSettings {
  /// The sizes.
  public var model: VARConfiguration
  /// The format of matrix products that is in use.
  public var precision: Precision
  /// What is read.
  public var data: Data
  /// What is scored only.
  public var heldOut: HeldOutShare
  /// The losses and the batches; the rate of dropout is that of whole branches in the last block.
  public var task: TransformerTask.Options
  /// What the training starts from; nil for a random start.
  public var initial: InitialModel?
  /// The loop.
  public var training: TrainingOptions

  /// The tokens, and what the model sees of them.
  public struct Data: Codable, Equatable, Sendable {
    /// SHA-256 of tokens and classes.
    public var tokens: String
    /// SHA-256 of the tokenizer's codebook and convolutions.
    public var quantizer: String

    /// What is read of a token file and its tokenizer.
    public init(tokens: TokenDataset, quantizer model: VARTransformer) {
      self.tokens = tokens.sha256
      var hasher = SHA256Hasher()
      for parameter in model.frozen.parameters {
        hasher.update(UnsafeRawBufferPointer(parameter.variable.value.buffer))
      }
      quantizer = hasher.finish()
    }
  }

  private enum CodingKeys: String, CodingKey {
    case model = "config"
    case precision, data, task, initial, training
    case heldOut = "held_out"
  }

  /// The settings of a run.
  public init(
    model: VARConfiguration, precision: Precision, data: Data, heldOut: HeldOutShare,
    task: TransformerTask.Options, initial: InitialModel? = nil, training: TrainingOptions
  ) {
    (self.model, self.precision, self.data, self.heldOut) = (model, precision, data, heldOut)
    (self.task, self.initial, self.training) = (task, initial, training)
  }
}
