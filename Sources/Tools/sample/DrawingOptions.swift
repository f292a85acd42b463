import ArgumentParser
import ImageModels

extension Guidance.Schedule: ExpressibleByArgument {}

/// How tokens are drawn: by a preset, and by options, which replace its values.
struct DrawingOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Settings of guidance, temperature, top-k and top-p with which a published model gave its figures. Any option beside it "
        + "replaces its value.", valueName: "name"))
  var preset: PresetName?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Guidance scale s in u + s (c - u), with c and u the logits with and without class; 1 "
        + "means no guidance. (default: 1)"))
  var guidance: Double?
  @Option(
    help: ArgumentHelp(
      "How the guidance scale changes over the positions, of a model of several scales over the scales. (default: "
        + "constant; of several scales linear)"))
  var guidanceSchedule: Guidance.Schedule?
  @Option(help: "First guided position of the schedule 'interval', from 0 (the first token) to 1 (the last).")
  var guidanceFrom = 0.0
  @Option(help: "Last guided position of the schedule 'interval', from 0 (the first token) to 1 (the last).")
  var guidanceTo = 1.0
  @Option(parsing: .unconditional, help: "Exponent of the schedule 'power-cosine', above 0.")
  var guidancePower = 1.0
  @Option(
    help:
      "Temperature by which the logits are divided, at least 0; 0 takes the most probable token. (default: 1)"
  )
  var temperature: Float?
  @Option(help: "k: draw from the k most probable tokens; 0 means all. (default: 0)") var topK: Int?
  @Option(
    help:
      "p: draw from the most probable tokens whose probabilities add up to p, above 0; 1 means all. (default: 1)"
  )
  var topP: Float?
  @OptionGroup var speculation: SpeculationOptions

  func validate() throws {
    if draw.topK < 0 { throw ValidationError("--top-k must be at least 0.") }
    if !(draw.temperature >= 0 && draw.temperature.isFinite) || !(draw.topP > 0 && draw.topP <= 1)
      || !scale.isFinite
    {
      throw ValidationError(
        "--temperature must not be negative, --top-p above 0 and at most 1, --guidance a finite number.")
    }
    if !(0...1).contains(guidanceFrom) || !(guidanceFrom...1).contains(guidanceTo)
      || !(guidancePower > 0 && guidancePower.isFinite)
    {
      throw ValidationError(
        "--guidance-from and --guidance-to must be from 0 to 1 and in order, --guidance-power above 0.")
    }
  }

  /// The guidance scale.
  var scale: Double { guidance ?? preset?.preset.guidance ?? 1 }

  /// Guidance, by the usual schedule of the model where the options name none.
  func guidance(_ usual: Guidance.Schedule) -> Guidance {
    Guidance(
      scale: scale, schedule: guidanceSchedule ?? usual, interval: guidanceFrom...guidanceTo,
      power: guidancePower)
  }

  /// How a token is drawn.
  var draw: DrawOptions { (preset?.preset.draw ?? DrawOptions()).with(temperature, topK, topP) }
}

extension DrawOptions {
  /// The same with what is given in the place of its own.
  func with(_ temperature: Float?, _ topK: Int?, _ topP: Float?) -> DrawOptions {
    DrawOptions(
      temperature: temperature ?? self.temperature, topK: topK ?? self.topK, topP: topP ?? self.topP)
  }
}
