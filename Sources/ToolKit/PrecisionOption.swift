import ArgumentParser
import TensorCore

extension Precision: ExpressibleByArgument {}

extension ToolSession {
  /// The device of this run: the granted threads, and matrix products in `precision`. Where that is not to be had,
  /// it is float32, and the user is told.
  public func device(_ precision: Precision = .float32) -> Device {
    let device = Device(threadCount: threads, precision: precision)
    if device.precision != precision {
      warn("--precision \(precision.rawValue): not supported by this processor or build; using float32")
    }
    return device
  }
}
