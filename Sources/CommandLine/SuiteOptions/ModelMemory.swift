import ImageModels
import ToolRuntime
import Training

/// The memory of work with models. Each of these functions is called before the memory is asked for: the system ends a
/// process that needs more than there is without a word.
extension ToolSession {
  /// Stops where a training cannot fit. The optimiser keeps a gradient and two moments of each parameter, Muon one moment of
  /// a hidden matrix.
  /// - Parameters:
  ///   - trained: bytes of the parameters that are not frozen; nil for all.
  ///   - copies: sets of parameters beside these, such as a teacher's.
  ///   - training: says which optimiser there is, and whether an average of the parameters is kept.
  ///   - images: number of images whose gradients are computed at a time.
  /// - Throws: `ToolError` (failed).
  public func requireMemory(
    toTrain parameterBytes: Double, trained: Double? = nil, copies: Int = 0,
    by training: TrainingCommandOptions,
    bytesPerImage: Double, images: Int
  ) throws {
    let sets = Double((training.optimizer == .muon ? 2 : 3) + copies + (training.ema > 0 ? 1 : 0))
    try requireMemory(
      MemoryEstimate(
        [
          ("parameters and optimiser", parameterBytes + sets * (trained ?? parameterBytes)),
          ("a batch of \(images)", bytesPerImage * Double(images)),
        ], advice: "a smaller model, a smaller --batch-size, or --gradient-accumulation where the tool has it"
      ))
  }

  /// Stops where a batch of a model without a backward pass cannot fit.
  /// - Throws: `ToolError` (failed).
  public func requireMemory(
    toRun parameterBytes: Double, bytesPerImage: Double, images: Int, option: String = "--batch-size"
  ) throws {
    try requireMemory(
      MemoryEstimate(
        [("the model", parameterBytes), ("a batch of \(images)", bytesPerImage * Double(images))],
        advice: "a smaller \(option)"))
  }
}
