import ArgumentParser
import Training

/// The options of tools that train on tokens, besides those of the training loop.
public struct TokenTrainingOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Number of parts of a batch, or of each of its --leaves, that are computed one after another to save memory; divides "
        + "--batch-size."))
  public var gradientAccumulation = 1

  @Option(
    help: ArgumentHelp(
      "Dropout rate of token embeddings, attention outputs and feed-forward outputs, from 0 to "
        + "below 1. (default: 0.1)"))
  public var dropout: Float?

  @Option(help: "Rate at which a class is replaced by \"no class\", which guidance needs; from 0 to below 1.")
  public var classDropout: Float = 0.1

  @Option(help: "Label smoothing: weight of the uniform distribution in the target, from 0 to below 1.")
  public var labelSmoothing: Float = 0

  public init() {}

  public func validate() throws {
    if [dropout ?? 0, classDropout, labelSmoothing].contains(where: { !(0..<1).contains($0) }) {
      throw ValidationError("--dropout, --class-dropout and --label-smoothing must be from 0 to below 1.")
    }
  }

  /// The task's settings, without IAR's cluster loss.
  public func options(batchSize: Int, seed: UInt64) -> TransformerTask.Options {
    TransformerTask.Options(
      batchSize: batchSize, accumulation: gradientAccumulation, dropout: dropout ?? 0.1,
      classDropout: classDropout,
      labelSmoothing: labelSmoothing, seed: seed)
  }

  /// Checks that a batch can be cut.
  public func requireParts(of batchSize: Int, leaves: Int) throws {
    if gradientAccumulation < 1 || batchSize % gradientAccumulation != 0 {
      throw ValidationError("--gradient-accumulation must divide --batch-size.")
    }
    if batchSize / leaves % gradientAccumulation != 0 {
      throw ValidationError("--gradient-accumulation must divide the \(batchSize / leaves) images of a leaf.")
    }
  }
}
