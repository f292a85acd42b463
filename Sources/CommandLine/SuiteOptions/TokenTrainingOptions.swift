import ArgumentParser

/// What training on tokens adds to the options of the training loop; shared by the tools that do.
public struct TokenTrainingOptions: ParsableArguments {
  /// Parts of a batch.
  @Option(
    help: ArgumentHelp(
      "Number of parts of a batch that are computed one after another to save memory; divides "
        + "--batch-size."))
  public var gradientAccumulation = 1

  /// Rate of dropout inside the network.
  @Option(
    help: ArgumentHelp(
      "Dropout rate of token embeddings, attention outputs and feed-forward outputs, from 0 to "
        + "below 1."))
  public var dropout: Float = 0.1

  /// Rate of "no class" in place of the class.
  @Option(help: "Rate at which a class is replaced by \"no class\", which guidance needs; from 0 to below 1.")
  public var classDropout: Float = 0.1

  /// Weight of the uniform distribution in the target.
  @Option(help: "Label smoothing: weight of the uniform distribution in the target, from 0 to below 1.")
  public var labelSmoothing: Float = 0

  /// The defaults.
  public init() {}

  /// Checks ranges.
  public func validate() throws {
    if [dropout, classDropout, labelSmoothing].contains(where: { !(0..<1).contains($0) }) {
      throw ValidationError("--dropout, --class-dropout and --label-smoothing must be from 0 to below 1.")
    }
  }

  /// Checks that a batch can be cut.
  public func requireParts(of batchSize: Int) throws {
    if gradientAccumulation < 1 || batchSize % gradientAccumulation != 0 {
      throw ValidationError("--gradient-accumulation must divide --batch-size.")
    }
  }
}
