import ArgumentParser
import Datasets

/// Which images are held out: not trained on, and only scored. Shared by all tools that hold images out or that look
/// for the images that training held out, so that equal options mean equal images.
public struct HeldOutOptions: ParsableArguments {
  /// The share that training holds out unless it is given.
  public static let usualFraction = 0.05

  /// Share of the images, from 0 to below 1.
  @Option(
    help: ArgumentHelp(
      "Share of the images that training does not see, from 0 to below 1. Without it, tools that train, probe or compare use "
        + "\(usualFraction), and tools that decode, score or draw take all images.",
      valueName: "share"))
  public var heldOut: Double?

  /// Seed of the choice.
  @Option(help: "Seed of the held-out split; the same seed and share hold out the same images in every tool.")
  public var splitSeed: UInt64 = 0

  /// The defaults.
  public init() {}

  /// Checks the range.
  public func validate() throws {
    if let heldOut, !(0..<1).contains(heldOut) {
      throw ValidationError("--held-out must be from 0 to below 1.")
    }
  }

  /// The share that was asked for; nil without `--held-out`.
  public var chosen: HeldOutShare? { heldOut.map { HeldOutShare(fraction: $0, seed: splitSeed) } }

  /// The share that was asked for, or the usual one.
  public var share: HeldOutShare { chosen ?? HeldOutShare(fraction: Self.usualFraction, seed: splitSeed) }

  /// Refuses `--held-out 0`, for tools that need images that were held out.
  public func requireSome() throws {
    if heldOut == 0 { throw ValidationError("--held-out must be above 0 and below 1.") }
  }
}
