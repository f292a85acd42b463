import ArgumentParser
import ImageModels
import STAR
import StreamFormat
import ToolRuntime

/// The options of self-guided training (ST-AR). All others are refused without `--self-guided`.
struct SelfGuidedOptions: ParsableArguments {
  @Flag(help: "Train by ST-AR: two views per image, masked attention, and a teacher.")
  var selfGuided = false
  @Option(
    help: ArgumentHelp(
      "Losses added to the token loss: masked (L_MIM), step (L_step), view (L_view), or none. "
        + "(default: masked,step,view)",
      valueName: "names"))
  var selfGuidedLosses: String?
  @Option(help: "r, the share of tokens that attention cannot see, from 0 to below 1. (default: 0.25)")
  var maskRatio: Double?
  @Flag(
    help: ArgumentHelp(
      "Draw new masked tokens in each block; otherwise all blocks mask the same tokens of a "
        + "sequence."))
  var maskEachBlock = false
  @Option(help: "alpha, the weight of L_MIM, at least 0. (default: 1)")
  var maskedWeight: Float?
  @Option(help: "beta, the weight of the mean of L_step and L_view, at least 0. (default: 0.5)")
  var contrastWeight: Float?
  @Option(help: "K, the number of positions that are contrasted per step. (default: 4)")
  var contrastPositions: Int?
  @Option(
    help: ArgumentHelp(
      "Block whose output is contrasted, counted from 1. (default: half the number of blocks; "
        + "18 for GPT-L)"))
  var contrastLayer: Int?
  @Option(help: "Temperature of L_step and L_view, above 0. (default: 0.2)")
  var contrastTemperature: Float?
  @Flag(help: "Contrast the features as they are; otherwise they are scaled to length 1.")
  var contrastUnnormalized = false
  @Flag(help: "Sum L_step and L_view over views and positions; otherwise they are averaged.")
  var contrastSum = false
  @Option(help: "Share of the teacher that is kept per step, from 0 to below 1. (default: 0.9999)")
  var teacherDecay: Float?
  @Option(
    help: ArgumentHelp(
      "W: after n steps the teacher keeps at most (1 + n) / (W + n) of itself; 1 means no "
        + "warm-up. (default: 10)",
      valueName: "W"))
  var teacherWarmup: Int?
  @Option(help: "Number of linear layers of the projector, from 0 (no projector) to 16. (default: 2)")
  var projectorLayers: Int?
  @Option(help: "Number of channels between the layers of the projector. (default: the width of the model)")
  var projectorWidth: Int?

  func validate() throws {
    guard selfGuided else {
      if let name = given.first { throw ValidationError("\(name) needs --self-guided.") }
      return
    }
    func need(_ holds: Bool, _ words: String) throws { if !holds { throw ValidationError(words) } }
    try need(losses != nil, "--self-guided-losses must be some of masked, step and view, or none.")
    try need((0..<1).contains(maskRatio ?? 0), "--mask-ratio must be from 0 to below 1.")
    try need(
      [maskedWeight ?? 0, contrastWeight ?? 0].allSatisfy { $0 >= 0 && $0.isFinite },
      "--masked-weight and --contrast-weight must not be negative nor infinite.")
    let least = losses?.contains(.step) == true ? 2 : 1
    try need(
      (least...1 << 16).contains(contrastPositions ?? 4),
      "--contrast-positions must be from \(least) to 65536.")
    try need((1...511).contains(contrastLayer ?? 1), "--contrast-layer must be from 1 to the model's blocks.")
    let temperature = contrastTemperature ?? 1
    try need(temperature > 0 && temperature.isFinite, "--contrast-temperature must be above 0.")
    try need((0..<1).contains(teacherDecay ?? 0), "--teacher-decay must be from 0 to below 1.")
    try need((1...1 << 30).contains(teacherWarmup ?? 1), "--teacher-warmup must be from 1 to 2^30.")
    try need((0...16).contains(projectorLayers ?? 0), "--projector-layers must be from 0 to 16.")
    try need((1...1 << 16).contains(projectorWidth ?? 1), "--projector-width must be from 1 to 65536.")
  }

  /// Checks the options against those of the loop and the model.
  /// - Parameter layers: the model's blocks; nil where only a file knows them.
  func validate(batchSize: Int, parts: Int, layers: Int?) throws {
    guard selfGuided else { return }
    let contrasts = losses?.contains { $0 != .masked } == true
    if contrasts && batchSize / parts < 2 {
      throw ValidationError(
        "--self-guided contrasts images: --batch-size must be at least 2, in each part of "
          + "--gradient-accumulation and --leaves.")
    }
    if let contrastLayer, let layers, contrastLayer > layers {
      throw ValidationError("--contrast-layer must be from 1 to the model's \(layers) blocks.")
    }
  }

  /// The settings for a model and tokens, or nil without self-guidance.
  /// - Throws: `ToolError` for tokens with fewer than two views.
  func options(for model: TransformerConfiguration, _ header: TokenHeader, file: String) throws
    -> SelfGuidance.Options?
  {
    guard selfGuided else { return nil }
    guard header.viewCount >= 2 else {
      throw ToolError(
        .badData, "\(file): --self-guided",
        expected: "at least 2 views of each image",
        found: "1, \(header.viewNames[0])",
        try: "tokenize IMAGES --tokenizer FILE --views ten-crop")
    }
    var options = SelfGuidance.Options(model)
    options.losses = losses ?? []
    options.maskRatio = maskRatio ?? options.maskRatio
    options.masksEachBlock = maskEachBlock
    options.maskedWeight = maskedWeight ?? options.maskedWeight
    options.contrastWeight = contrastWeight ?? options.contrastWeight
    options.contrastPositions = contrastPositions ?? options.contrastPositions
    options.contrastLayer = contrastLayer ?? options.contrastLayer
    options.contrastTemperature = contrastTemperature ?? options.contrastTemperature
    options.normalizesFeatures = !contrastUnnormalized
    options.sumsContrast = contrastSum
    options.teacherDecay = teacherDecay ?? options.teacherDecay
    options.teacherWarmup = teacherWarmup ?? options.teacherWarmup
    options.projectorLayers = projectorLayers ?? options.projectorLayers
    options.projectorWidth = projectorWidth ?? options.projectorWidth
    guard options.contrastLayer <= model.layers else {
      throw ToolError(
        .usage, "--contrast-layer",
        expected: "1 to the model's \(model.layers) blocks",
        found: "\(options.contrastLayer)",
        try: "a smaller number")
    }
    guard options.contrastPositions <= model.tokenCount || !options.contrasts else {
      throw ToolError(
        .badData, "\(file): --contrast-positions",
        expected: "at most the \(model.tokenCount) tokens of an image",
        found: "\(options.contrastPositions)",
        try: "a smaller number")
    }
    return options
  }

  private var losses: [SelfGuidedLoss]? {
    guard let selfGuidedLosses else { return SelfGuidedLoss.allCases }
    if selfGuidedLosses == "none" { return [] }
    let named = commaSeparated(selfGuidedLosses) { SelfGuidedLoss(rawValue: $0) }
    // In their own order, so that the order on the command line does not matter to a checkpoint.
    return named.map { SelfGuidedLoss.allCases.filter($0.contains) }
  }

  /// Names of the options that were given beside the switch.
  private var given: [String] {
    let options: [(String, Bool)] = [
      ("--self-guided-losses", selfGuidedLosses != nil), ("--mask-ratio", maskRatio != nil),
      ("--mask-each-block", maskEachBlock), ("--masked-weight", maskedWeight != nil),
      ("--contrast-weight", contrastWeight != nil), ("--contrast-positions", contrastPositions != nil),
      ("--contrast-layer", contrastLayer != nil), ("--contrast-temperature", contrastTemperature != nil),
      ("--contrast-unnormalized", contrastUnnormalized), ("--contrast-sum", contrastSum),
      ("--teacher-decay", teacherDecay != nil), ("--teacher-warmup", teacherWarmup != nil),
      ("--projector-layers", projectorLayers != nil), ("--projector-width", projectorWidth != nil),
    ]
    return options.filter(\.1).map(\.0)
  }
}
