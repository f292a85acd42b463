import ArgumentParser
import ImageModels
import ToolRuntime

extension DrawMethod: ExpressibleByArgument {}

/// How many places a pass computes, and how random numbers decide a token.
struct SpeculationOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Places of an image that a pass computes, from 1 to 1024; does not change the images. More than 1 pays for few "
        + "images at a time, with --draw-method gumbel.", valueName: "places"))
  var speculate = 1
  @Option(
    help: ArgumentHelp(
      "How random numbers decide a token: by one number per token, or by the Gumbel-max trick. Both draw from the "
        + "same distribution, with other images.", valueName: "method"))
  var drawMethod = DrawMethod.cumulative

  func validate() throws {
    if !(1...1024).contains(speculate) { throw ValidationError("--speculate must be from 1 to 1024.") }
  }

  /// The method for the record, which has it only where it is not the usual one.
  var recordedMethod: DrawMethod? { drawMethod == .cumulative ? nil : drawMethod }

  /// Refuses the options for a model that has no use for them.
  func requireNone(_ model: String) throws {
    guard isGiven else { return }
    throw ToolError(
      .badData, model, expected: "a model of one grid of tokens, for --speculate and --draw-method",
      found: "one of several scales, which draws a scale per pass", try: "without these options")
  }

  /// Whether an option differs from its default.
  var isGiven: Bool { speculate != 1 || drawMethod != .cumulative }
}
