import Datasets
import ImageModels
import STAR
import StreamFormat
import TensorCore

/// Everything that decides what a training run computes: it goes from the command line through the task into the
/// checkpoint and the provenance.
///
/// A task takes its losses, the part of the data that is held out and the loop's numbers from here and from nowhere
/// else. So a setting cannot have an effect and yet be forgotten when a checkpoint is compared with a resumed run.
public protocol ExperimentSettings: Codable, Equatable, Sendable {
  /// The loop.
  var training: TrainingOptions { get set }
}

extension ExperimentSettings {
  /// The settings as the JSON object of checkpoints, without what only shows or saves a run.
  /// - Throws: an encoding error for a number that is not finite.
  public func json() throws -> String {
    var settings = self
    settings.training = training.withoutObservation
    return try sortedJSON(settings)
  }
}

/// The settings of an autoregressive model or of the second stage of coarse-to-fine prediction.
public struct TransformerSettings: ExperimentSettings {
  /// The sizes.
  public var model: TransformerConfiguration
  /// The format of matrix products that is in use, which may be another than the one asked for.
  public var precision: Precision
  /// What is read.
  public var data: Data
  /// What is scored only.
  public var heldOut: HeldOutShare
  /// The losses and the batches.
  public var task: TransformerTask.Options
  /// Self-guidance, where it is on.
  public var selfGuidance: SelfGuidance.Options?
  /// What the training starts from, where it is a model.
  public var initial: InitialModel?
  /// The loop.
  public var training: TrainingOptions

  /// The tokens, and what their codes are taken for.
  public struct Data: Codable, Equatable, Sendable {
    /// SHA-256 of tokens and classes.
    public var tokens: String
    /// Hash of the mapping that gives the coarse labels, in the second stage.
    public var mapping: String?
    /// Whether the second stage chooses among the codes of the coarse label only.
    public var clusterMask: Bool?

    /// What is read of a token file.
    public init(tokens: TokenDataset, mapping: String? = nil, clusterMask: Bool? = nil) {
      (self.tokens, self.mapping, self.clusterMask) = (tokens.sha256, mapping, clusterMask)
    }
  }

  private enum CodingKeys: String, CodingKey {
    case model = "config"
    case precision, data, task, initial, training
    case heldOut = "held_out"
    case selfGuidance = "self_guidance"
  }

  /// The settings of a run.
  public init(
    model: TransformerConfiguration, precision: Precision, data: Data, heldOut: HeldOutShare,
    task: TransformerTask.Options, selfGuidance: SelfGuidance.Options? = nil,
    initial: InitialModel? = nil, training: TrainingOptions
  ) {
    (self.model, self.precision, self.data, self.heldOut) = (model, precision, data, heldOut)
    (self.task, self.selfGuidance, self.initial, self.training) = (task, selfGuidance, initial, training)
  }
}

/// The settings of a tokenizer.
public struct TokenizerSettings: ExperimentSettings {
  /// The sizes.
  public var model: TokenizerConfiguration
  /// The format of convolutions and matrix products that is in use.
  public var precision: Precision
  /// What is read.
  public var images: Images
  /// What is scored only.
  public var heldOut: HeldOutShare
  /// The losses and the batches.
  public var task: TokenizerTask.Options
  /// What the training starts from, where it is a tokenizer.
  public var initial: InitialModel?
  /// The loop.
  public var training: TrainingOptions

  /// The images, and how they are read.
  public struct Images: Codable, Equatable, Sendable {
    /// SHA-256 of the files' bytes.
    public var content: String
    /// How files become what the tokenizer sees.
    public var reading: ImageReading

    /// What is read of image files.
    public init(content: String, reading: ImageReading) {
      (self.content, self.reading) = (content, reading)
    }
  }

  private enum CodingKeys: String, CodingKey {
    case model = "config"
    case precision, images, task, initial, training
    case heldOut = "held_out"
  }

  /// The settings of a run.
  public init(
    model: TokenizerConfiguration, precision: Precision, images: Images, heldOut: HeldOutShare,
    task: TokenizerTask.Options, initial: InitialModel? = nil, training: TrainingOptions
  ) {
    (self.model, self.precision, self.images, self.heldOut) = (model, precision, images, heldOut)
    (self.task, self.initial, self.training) = (task, initial, training)
  }
}
