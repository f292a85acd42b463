import Glibc

/// The learning rate at each step.
public struct LearningRateSchedule: Sendable, Equatable, Codable {
  /// How the rate falls after the warm-up.
  public enum Shape: String, Sendable, Codable, CaseIterable {
    /// Not at all (IAR).
    case constant
    /// Half a cosine from the peak to the final rate (CTF).
    case cosine
  }

  /// Shape after the warm-up.
  public var shape: Shape
  /// Highest rate.
  public var peak: Double
  /// Where `cosine` ends: the rate that a step after the last would have.
  public var final: Double
  /// Steps of linear growth at the start.
  public var warmupSteps: Int
  /// Steps in all.
  public var totalSteps: Int

  /// A schedule over `totalSteps` steps; rates are per step.
  public init(
    shape: Shape = .constant, peak: Double, final: Double = 0, warmupSteps: Int = 0, totalSteps: Int
  ) {
    (self.shape, self.peak, self.final) = (shape, peak, final)
    (self.warmupSteps, self.totalSteps) = (warmupSteps, totalSteps)
  }

  /// The rate of step `step`, counted from 0.
  public func rate(at step: Int) -> Double {
    if step < warmupSteps { return peak * Double(step + 1) / Double(warmupSteps) }
    guard shape == .cosine else { return peak }
    let span = max(1, totalSteps - warmupSteps)
    let progress = min(1, Double(step - warmupSteps) / Double(span))
    return final + (peak - final) * 0.5 * (1 + cos(.pi * progress))
  }
}
