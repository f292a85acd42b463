import ArgumentParser
import Training

/// What training on tokens adds to the options of the training loop; shared by the tools that do.
public struct TokenTrainingOptions: ParsableArguments {
  /// Parts of a batch.
  @Option(help: "Parts a batch is cut into to save memory.")
  public var gradientAccumulation = 1

  /// Rate of dropout inside the network.
  @Option(help: "Dropout on tokens, attention and feed-forward outputs.")
  public var dropout: Float = 0.1

  /// Rate of "no class" in place of the class.
  @Option(help: "Rate at which class labels are dropped, for guidance.")
  public var classDropout: Float = 0.1

  /// Weight of the uniform distribution in the target.
  @Option(help: "Label smoothing.")
  public var labelSmoothing: Float = 0

  /// The defaults.
  public init() {}

  /// Checks ranges.
  public func validate() throws {
    if [dropout, classDropout, labelSmoothing].contains(where: { !(0..<1).contains($0) }) {
      throw ValidationError("--dropout, --class-dropout and --label-smoothing must be from 0 to below 1.")
    }
  }

  /// The task's settings, without IAR's cluster loss.
  public func options(batchSize: Int, seed: UInt64) -> TransformerTask.Options {
    TransformerTask.Options(
      batchSize: batchSize, accumulation: gradientAccumulation, dropout: dropout, classDropout: classDropout,
      labelSmoothing: labelSmoothing, seed: seed)
  }

  /// Checks that a batch can be cut.
  public func requireParts(of batchSize: Int) throws {
    if gradientAccumulation < 1 || batchSize % gradientAccumulation != 0 {
      throw ValidationError("--gradient-accumulation must divide --batch-size.")
    }
  }
}
