import ArgumentParser
import ImageModels
import NeuralNet
import StreamFormat
import ToolRuntime
import Training

/// The model that the training of a transformer starts from in place of random numbers.
public struct InitialOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Start from the parameters and sizes of this model file; optimiser, steps and seed are new.",
      valueName: "file"))
  public var initial: InputPath?

  @Option(
    help: ArgumentHelp(
      "Where the classes start with --initial: from the class of the same name (match), or all from \"no class\" (new)."
    ))
  var initialClasses = InitialClasses.match

  @Option(
    help: ArgumentHelp(
      "Parts of --initial that are not trained, separated by commas: tokens, classes, blocks, blocks:1-6, output.",
      valueName: "parts"))
  var freeze: String?

  /// Where the classes start.
  enum InitialClasses: String, ExpressibleByArgument, CaseIterable {
    case match, new
  }

  public init() {}

  public func validate() throws {
    if initial == nil && (freeze != nil || initialClasses != .match) {
      throw ValidationError("--freeze and --initial-classes need --initial.")
    }
    if parts == nil {
      throw ValidationError("--freeze must be some of tokens, classes, blocks, blocks:FIRST-LAST and output.")
    }
  }

  /// Checks the sizes of a new model, and refuses any beside the file's own.
  public func check(_ sizes: TransformerSizeOptions) throws {
    guard initial != nil else { return try sizes.requirePossible() }
    if let name = sizes.given.first {
      throw ValidationError("--initial has the sizes of its model; leave \(name) out.")
    }
  }

  /// What is not trained.
  public var frozen: [TransformerPart] { parts ?? [] }

  private var parts: [TransformerPart]? {
    guard let freeze else { return [] }
    return commaSeparated(freeze) { TransformerPart($0) }
  }

  /// Fills a model from another one of the same sizes, and freezes what was asked for.
  /// - Parameters:
  ///   - own: the classes of the tokens.
  ///   - classes: the classes of the other model.
  /// - Throws: `ToolError` for classes that cannot be matched, and where nothing is left to train.
  public func start<Model: ClassConditional>(
    _ model: Model, from other: Model, own: ClassList, classes: ClassList, _ session: ToolSession
  ) throws -> InitialModel {
    let matched: [Int?] =
      switch initialClasses {
      case .new: own.places.map { _ in nil }
      case .match: try match(own, to: classes)
      }
    for part in parts ?? [] {
      guard case .blocks(let range) = part, range != 1...Int.max,
        range.upperBound > model.layerCount
      else {
        continue
      }
      throw ToolError(
        .usage, "--freeze \(freeze ?? "")",
        expected: "blocks from 1 to \(model.layerCount), those of the model",
        found: "\(range.upperBound)",
        try: "blocks for all of them")
    }
    model.start(from: other, classes: matched)
    session.say(
      "starting from \(classes.file): \(matched.count { $0 != nil }) of \(matched.count) classes are those of the model, "
        + "the others start from \"no class\"")
    return try session.freeze(model.store, option: "--freeze") { name in
      parts?.contains { $0.contains(name) } == true
    }
  }

  /// For each class of the tokens the class of the model, or nil.
  private func match(_ own: ClassList, to other: ClassList) throws -> [Int?] {
    if own.names.isEmpty || other.names.isEmpty {
      guard own.count == other.count else {
        throw ToolError(
          .badData, own.file,
          expected: "\(other.count) classes, those of \(other.file), since they have no names to be matched "
            + "by",
          found: "\(own.count)",
          try: "--initial-classes new")
      }
      return own.places.map { $0 }
    }
    let known = other.numbers
    return own.names.map { known[$0] }
  }
}

extension ToolSession {
  /// Freezes parameters, and gives the start of the training for its settings.
  /// - Throws: `ToolError` (usage) where nothing is left to train.
  public func freeze(
    _ store: ParameterStore, option: String, _ isFrozen: (String) -> Bool
  ) throws -> InitialModel {
    for parameter in store.parameters where isFrozen(parameter.name) { parameter.variable.freeze() }
    let start = InitialModel(store)
    guard start.frozen.count < store.parameters.count else {
      throw ToolError(
        .usage, option,
        expected: "some parameters to train",
        found: "all frozen",
        try: "fewer parts")
    }
    if !start.frozen.isEmpty {
      say("\(start.frozen.count) of \(store.parameters.count) tensors are not trained")
    }
    return start
  }
}
