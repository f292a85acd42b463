import ArgumentParser
import ImageModels
import TensorCore
import ToolRuntime

extension Precision: ExpressibleByArgument {}
extension SamplingPrecision: ExpressibleByArgument {}

extension ToolSession {
  /// The device of this run: the granted threads, and matrix products in `precision`. If the machine or the
  /// build does not support it, the device uses float32 and the user is warned, as of threads that did not start.
  public func device(_ precision: Precision = .float32) -> Device {
    let device = Device(threadCount: threads, precision: precision)
    if device.precision != precision {
      warn("--precision \(precision.rawValue): not supported by this processor or build; using float32")
    }
    if device.threads.count < threads {
      warn("--threads \(threads): the system has started \(device.threads.count); using these")
    }
    return device
  }

  /// The format for sampling. If the processor does not support the requested one, it is float32, and the
  /// user is warned.
  public func supported(_ precision: SamplingPrecision) -> SamplingPrecision {
    if precision.isSupported { return precision }
    warn("--precision \(precision.rawValue): not supported by this processor; using float32")
    return .float32
  }
}
