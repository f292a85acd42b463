import ArgumentParser
import ImageModels
import SuiteOptions
import TensorCore
import ToolRuntime
import Training

/// The tokenizer that the training starts from in place of random numbers.
struct InitialTokenizerOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Start from the parameters and sizes of this tokenizer file; optimiser, steps and seed are new.",
      valueName: "file"))
  var initial: InputPath?

  @Option(
    help: ArgumentHelp(
      "Parts of --initial that are not trained, separated by commas: encoder, codebook, decoder. With the first two, "
        + "tokens stay the same.", valueName: "parts"))
  var freeze: String?

  func validate() throws {
    if initial == nil && freeze != nil { throw ValidationError("--freeze needs --initial.") }
    if parts == nil { throw ValidationError("--freeze must be some of encoder, codebook and decoder.") }
  }

  private var parts: [TokenizerPart]? {
    guard let freeze else { return [] }
    return commaSeparated(freeze) { TokenizerPart(rawValue: $0) }
  }

  /// Refuses sizes beside the file's own, and what would move codes that are kept.
  func validate(_ sizes: TokenizerSizeOptions, autoencoderSteps: Int) throws {
    guard initial != nil else { return }
    if let name = sizes.given.first {
      throw ValidationError("--initial has the sizes of its tokenizer; leave \(name) out.")
    }
    if autoencoderSteps > 0 {
      throw ValidationError(
        "--autoencoder-steps is for a tokenizer without codes; leave it out with --initial.")
    }
  }

  /// The tokenizer of --initial with its unwanted parts frozen, for images of a size.
  /// - Throws: `FormatError`, `StreamError`, `ToolError`.
  func read(_ session: ToolSession, size: Int?, device: Device) throws -> (
    model: Tokenizer, start: InitialModel
  )? {
    guard let initial else { return nil }
    var record = try session.readRecord(initial)
    if let size {
      var configuration = try record.jsonMetadata("config", as: TokenizerConfiguration.self)
      configuration.imageSize = size
      if let problem = configuration.problem {
        throw ToolError(
          .usage, "--size", expected: "a size that the tokenizer of --initial can have", found: problem,
          try: "another --size, or the sizes of \(initial.path)")
      }
      try record.setJSONMetadata("config", configuration)
    }
    let model = try Tokenizer(record, device: device)
    let start = try session.freeze(model.store, option: "--freeze") { name in
      parts?.contains { $0.contains(name) } == true
    }
    session.say("starting from \(initial.path)")
    return (model, start)
  }
}
