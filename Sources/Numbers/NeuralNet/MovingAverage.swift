import CKernels
import TensorCore

/// An exponential moving average of a model's parameters (EMA): what is saved for sampling, and the
/// teacher of self-guided training.
public final class MovingAverage {
  /// Share of the old average kept at each update.
  public let decay: Float
  /// The averages, in parameter order: a checkpoint holds them.
  public let values: [Tensor]
  private let store: ParameterStore

  /// Starts from the parameters as they are now.
  public init(_ store: ParameterStore, decay: Float) {
    precondition(decay >= 0 && decay < 1, "MovingAverage: decay \(decay)")
    self.store = store
    self.decay = decay
    values = store.parameters.map { store.device.copy($0.variable.value) }
  }

  /// Averages into the values of another model's parameters, which start as this store's are now.
  public init(_ store: ParameterStore, into other: ParameterStore, decay: Float) {
    precondition(decay >= 0 && decay < 1, "MovingAverage: decay \(decay)")
    precondition(
      store.parameters.map(\.name) == other.parameters.map(\.name), "MovingAverage: parameters differ")
    self.store = store
    self.decay = decay
    values = other.parameters.map { $0.variable.value }
    for (average, parameter) in zip(values, store.parameters) {
      average.copyElements(from: parameter.variable.value)
    }
  }

  /// average = decay average + (1 - decay) parameter; a frozen parameter is its own average, to the last bit.
  /// - Parameter decay: overrides the constant, for a warm-up.
  public func update(decay: Float? = nil) {
    let decay = decay ?? self.decay
    for (average, parameter) in zip(values, store.parameters) where parameter.variable.requiresGradient {
      store.device.forRanges(average.count, grain: 4096) {
        let i = $0.lowerBound
        tsr_moving_average(average.pointer + i, parameter.variable.value.pointer + i, decay, $0.count)
      }
    }
  }
}
