import ArgumentParser
import ImageModels
import LlamaGen
import StreamFormat
import ToolRuntime
import VAR

/// The sizes of a transformer: a named configuration, and options that change it. Vocabulary, grid and classes
/// come from the tokens.
public struct TransformerSizeOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Named set of sizes, which the options below change: \(Self.names(TransformerConfiguration.named.keys)); for tokens of several scales "
        + "\(Self.names(VARConfiguration.named.keys)). (default: \(Self.defaultModel), VAR-d16)"))
  public var model: String?
  @Option(help: "Number of blocks, from 1 to 511. (default: that of --model)")
  public var layers: Int?
  @Option(help: "Number of attention heads per block; divides the width. (default: that of --model)")
  public var heads: Int?
  @Option(help: "Width of the residual stream, from 4 to 65536. (default: that of --model)")
  public var width: Int?
  @Option(
    help: "The feed-forward width, 8/3 of the width, is rounded up to a multiple of this. (default: 256)")
  public var feedForwardMultiple: Int?

  private static let defaultModel = "GPT-B"

  public init() {}

  /// Checks the sizes of a new model; for use in `validate()`, which knows whether there is to be one.
  /// - Throws: `ValidationError`.
  func requirePossible() throws {
    if let model, TransformerConfiguration.named[model] == nil && VARConfiguration.named[model] == nil {
      throw ValidationError(
        "--model must be one of \(Self.names(TransformerConfiguration.named.keys)), \(Self.names(VARConfiguration.named.keys)), "
          + "not '\(model)'.")
    }
    if let problem = sizes(vocabulary: 1, rows: 1, columns: 1, classes: 1).problem {
      throw ValidationError(problem + ".")
    }
  }

  /// The sizes for tokens of a file.
  /// - Precondition: the tokens are of one grid.
  /// - Throws: `ToolError` (usage) if the named set is of models of several scales.
  public func configuration(for header: TokenHeader) throws -> TransformerConfiguration {
    precondition(header.layout == .raster, "TransformerSizeOptions: \(header.layout)")
    try require(TransformerConfiguration.named.keys, for: header.layout)
    return sizes(
      vocabulary: header.vocabSize, rows: header.rows, columns: header.columns,
      classes: max(1, header.classCount))
  }

  /// The sizes of a model of several scales, for tokens of a file.
  /// - Throws: `ToolError` (usage) if the named set is of models of one grid, or the sizes do not fit together.
  public func scaleConfiguration(
    for header: TokenHeader, _ quantizer: MultiScaleConfiguration, codeDimension: Int,
    sharesConditioning: Bool
  ) throws -> VARConfiguration {
    try require(VARConfiguration.named.keys, for: header.layout)
    let named = VARConfiguration.named[model ?? "VAR-d16"] ?? (1, 1, 4)
    let sizes = VARConfiguration(
      layers: layers ?? named.layers, heads: heads ?? named.heads, width: width ?? named.width,
      vocabularySize: header.vocabSize, codeDimension: codeDimension, classCount: max(1, header.classCount),
      multiScale: quantizer, sharesConditioning: sharesConditioning)
    if let problem = sizes.problem {
      throw ToolError(
        .usage, "", expected: "sizes of the model that fit together", found: problem,
        try: "--model, a named set")
    }
    return sizes
  }

  private func require(_ names: some Collection<String>, for layout: TokenLayout) throws {
    guard let model, !names.contains(model) else { return }
    throw ToolError(
      .usage, "--model", expected: "one of \(Self.names(names)), for tokens of \(layout)", found: model,
      try: "another name")
  }

  private static func names(_ names: some Collection<String>) -> String {
    names.sorted().joined(separator: ", ")
  }

  /// Number of blocks, which does not depend on the tokens.
  public var layerCount: Int { sizes(vocabulary: 1, rows: 1, columns: 1, classes: 1).layers }

  private func sizes(vocabulary: Int, rows: Int, columns: Int, classes: Int) -> TransformerConfiguration {
    let name = model ?? Self.defaultModel
    let named = TransformerConfiguration.named[name] ?? VARConfiguration.named[name] ?? (1, 1, 4)
    var sizes = TransformerConfiguration(
      layers: layers ?? named.layers, heads: heads ?? named.heads, width: width ?? named.width,
      vocabularySize: vocabulary, gridRows: rows, gridColumns: columns, classCount: classes)
    sizes.feedForwardMultiple = feedForwardMultiple ?? sizes.feedForwardMultiple
    return sizes
  }

  /// Names of the options that were given.
  var given: [String] {
    let options: [(String, Bool)] = [
      ("--model", model != nil), ("--layers", layers != nil), ("--heads", heads != nil),
      ("--width", width != nil), ("--feed-forward-multiple", feedForwardMultiple != nil),
    ]
    return options.filter(\.1).map(\.0)
  }

  /// The sizes of another model for tokens of a file: vocabulary, grid and classes are those of the tokens.
  /// - Precondition: the tokens are of one grid.
  /// - Throws: `ToolError` for sizes of another kind of model.
  public func configuration(of other: TransformerConfiguration, for header: TokenHeader) throws
    -> TransformerConfiguration
  {
    let own = try configuration(for: header)
    var sizes = other
    (sizes.gridRows, sizes.gridColumns, sizes.classCount) = (own.gridRows, own.gridColumns, own.classCount)
    return sizes
  }
}
