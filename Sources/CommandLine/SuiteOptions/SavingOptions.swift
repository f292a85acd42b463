import ArgumentParser
import ToolRuntime
import Training

/// The models that a training tool saves on the way, beside the output.
public struct SavingOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Save the model every so many steps beside the output, as NAME.step-STEP.tensors.zst; 0 saves only the "
        + "output."))
  var saveEvery = 0

  @Option(
    help: ArgumentHelp(
      "Save the model after these steps too, numbers separated by commas.", valueName: "steps"),
    transform: StepList.parse)
  var saveAt: StepList?

  /// No models but the output.
  public init() {}

  /// Checks the ranges.
  public func validate() throws {
    if saveEvery < 0 { throw ValidationError("--save-every must not be negative.") }
  }

  /// Steps separated by commas, such as `100,500`.
  struct StepList: FormedArgument {
    static let form = "numbers above 0 separated by commas, such as 100,500"

    let steps: [Int]

    init?(argument: String) {
      guard let steps = commaSeparated(argument, { Int($0) }), steps.allSatisfy({ $0 > 0 }) else {
        return nil
      }
      self.steps = steps
    }
  }

  /// The most models that a run may save: a slip of the hand must not fill a disk.
  private static let maximumCount = 1000

  /// The option to which the user owes the saved models.
  var optionName: String { saveEvery > 0 ? "--save-every" : "--save-at" }

  /// The steps after which the model is saved, in a run of `last` steps.
  /// - Throws: `ToolError` (usage) for steps that the run does not have, and for too many of them.
  func savedSteps(through last: Int, besides output: OutputPath) throws -> SavedSteps {
    let saved = SavedSteps(every: saveEvery, and: Set(saveAt?.steps ?? []))
    let count = saved.count(through: last)
    func refuse(_ option: String, _ expected: String, _ found: String, _ hint: String) -> ToolError {
      ToolError(.usage, option, expected: expected, found: found, try: hint)
    }
    if let beyond = saveAt?.steps.first(where: { $0 > last }) {
      throw refuse("--save-at", "steps up to \(last), the last one", "\(beyond)", "more --steps")
    }
    if saveEvery > last {
      throw refuse("--save-every", "at most \(last), the number of steps", "\(saveEvery)", "more --steps")
    }
    if count > Self.maximumCount {
      throw refuse(optionName, "at most \(Self.maximumCount) models", "\(count)", "a larger --save-every")
    }
    if count > 0, output.isStandardOutput {
      throw refuse(
        optionName, "an output with a name, which the models are saved beside", "'-'", "--output FILE")
    }
    return saved
  }

  /// Where the model of a step is saved: `model.step-500.tensors.zst` beside `model.tensors.zst`.
  static func path(of step: Int, besides output: String) -> String {
    let ending = [".tensors.zst", ".safetensors", ".zst"].first { output.hasSuffix($0) } ?? ""
    return "\(output.dropLast(ending.count)).step-\(step)\(ending)"
  }
}
