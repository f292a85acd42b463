import ArgumentParser
import CTF
import IAR
import ImageModels
import LlamaGen
import SuiteOptions
import ToolRuntime
import VAR

/// A preset as an option names it.
struct PresetName: ExpressibleByArgument {
  let preset: SamplingPreset

  private static let all =
    SamplingPreset.ofLlamaGen + SamplingPreset.ofIAR + SamplingPreset.ofCTF
    + SamplingPreset.ofVAR

  init?(argument: String) {
    guard let preset = Self.all.first(where: { $0.name == argument }) else { return nil }
    self.preset = preset
  }

  static var allValueStrings: [String] { all.map(\.name) }
  static var defaultCompletionKind: CompletionKind { .list(allValueStrings) }
}

extension SamplingPreset {
  private var ofSeveralScales: Bool { if case .scales = model { true } else { false } }

  /// Refuses a model of another kind, and warns of one of other sizes, whose figures are not the published ones.
  /// - Throws: `ToolError` (bad data).
  func check(_ model: SampledModel, of file: String, _ session: ToolSession) throws {
    let (isOfScales, fits, found) =
      switch model {
      case .raster(let packed, _): (false, self.fits(packed.configuration), packed.configuration.words)
      case .scales(let transformer, _):
        (true, self.fits(transformer.configuration), transformer.configuration.words)
      }
    guard isOfScales == ofSeveralScales else {
      throw ToolError(
        .badData, file,
        expected: "a model of \(modelWords), for --preset \(name)",
        found: found,
        try: "another preset")
    }
    if !fits {
      session.warn(
        "warning: --preset \(name) is for \(modelWords); \(file) has \(found), so that published figures are not its own"
      )
    }
    if evaluationSize != imageSize {
      session.say(
        "--preset \(name): published figures are of \(evaluationSize) pixels: detokenize --resize \(evaluationSize)"
      )
    }
  }
}

extension TransformerConfiguration {
  fileprivate var words: String {
    "\(layers) layers, \(heads) heads and width \(width), \(vocabularySize) codes on a grid of \(gridRows)x\(gridColumns)"
  }
}

extension VARConfiguration {
  fileprivate var words: String {
    "\(layers) layers, \(heads) heads and width \(width), scales "
      + multiScale.scales.map(String.init).joined(separator: ",")
  }
}
