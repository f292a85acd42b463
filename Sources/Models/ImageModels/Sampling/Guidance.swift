import Glibc

/// Classifier-free guidance: logits = u + s (c - u), with u from "no class". The scale may change over the
/// positions; 1 means no guidance.
public struct Guidance: Sendable, Equatable, Codable {
  /// How the scale runs over the positions.
  public enum Schedule: String, Sendable, Codable, CaseIterable {
    /// The same everywhere.
    case constant
    /// The scale inside an interval of positions, none outside.
    case interval
    /// From none at the first position to the scale at the last.
    case linear
    /// 1 + (s - 1) (1 - cos(pi x^power)) / 2 for the relative position x.
    case powerCosine = "power-cosine"
  }

  /// s; 1 turns guidance off.
  public var scale: Double
  /// How it changes.
  public var schedule: Schedule
  /// Relative positions of `interval`, within 0...1.
  public var interval: ClosedRange<Double>
  /// Exponent of `power-cosine`.
  public var power: Double

  /// Guidance of one scale. The other arguments are for the schedules of their names.
  public init(
    scale: Double, schedule: Schedule = .constant, interval: ClosedRange<Double> = 0...1, power: Double = 1
  ) {
    (self.scale, self.schedule, self.interval, self.power) = (scale, schedule, interval, power)
  }

  /// The scale at position `index` of `count`.
  public func scale(at index: Int, of count: Int) -> Double {
    let x = count > 1 ? Double(index) / Double(count - 1) : 0
    switch schedule {
    case .constant: return scale
    case .interval: return interval.contains(x) ? scale : 1
    case .linear: return 1 + (scale - 1) * x
    case .powerCosine: return 1 + (scale - 1) * (1 - cos(.pi * pow(x, power))) / 2
    }
  }

  /// The last guided position, after which the unconditional half is not computed. Nil if there is none.
  public func lastGuided(of count: Int) -> Int? {
    (0..<count).last { scale(at: $0, of: count) != 1 }
  }
}
