import ForeignFiles
import ImageModels
import Images
import Metrics
import StreamFormat
import SuiteOptions
import TensorCore
import ToolRuntime

/// What became of a mutated file.
public enum InputOutcome: Equatable, Sendable {
  /// It was read, and what was read is as it should be.
  case read
  /// It was refused with an error that says so.
  case refused
  /// What must not happen, in words.
  case wrong(String)
}

/// A result that is not as it should be.
struct WrongResult: Error {
  let what: String
  init(_ what: String) { self.what = what }
}

/// Stops where something does not hold.
func expect(_ holds: Bool, _ what: @autoclosure () -> String) throws {
  if !holds { throw WrongResult(what()) }
}

/// The readers of all kinds, in this process.
public struct InputCheck {
  let device = Device(threadCount: 1)

  public init() {}

  /// Reads a file as its kind, and checks the result.
  public func outcome(of bytes: [UInt8], as kind: FuzzKind) -> InputOutcome {
    do {
      try check(bytes, as: kind)
      return .read
    } catch let error as WrongResult {
      return .wrong(error.what)
    } catch {
      if let fault = fault(of: error) { return .wrong(fault) }
      return .refused
    }
  }

  /// What is wrong with an error that a hostile file causes; nil if nothing is.
  private func fault(of error: any Error) -> String? {
    let text = String(describing: error)
    guard isExpected(error) else {
      return "exit code \(ToolExit(for: error).rawValue) for \(type(of: error)): \(text.prefix(500))"
    }
    // Tools make control characters visible when they print a message.
    return ErrorText.fault(in: visible(text))
  }

  private func isExpected(_ error: any Error) -> Bool {
    switch error {
    // Two tools give these their exit code.
    case is ForeignFileError, is MetricsError: true
    // Weights may be finite and give what is not.
    case is NotFiniteError, ImageError.outOfMemory: true
    default: ToolExit(for: error) == .badData
    }
  }

  private func check(_ bytes: [UInt8], as kind: FuzzKind) throws {
    switch kind {
    case .container, .checkpoint: try checkContainer(bytes)
    case .tokens: try checkTokens(bytes)
    case .mapping: try checkMapping(bytes)
    case .tokenizer: try checkTokenizer(bytes)
    case .arModel: try checkTransformer(bytes)
    case .fineModel: try checkFineModel(bytes)
    case .varModel: try checkScaleModel(bytes)
    case .features: try checkFeatures(bytes)
    case .pickle, .zip, .npy: try checkWeights(bytes)
    case .png, .jpeg: try checkImage(bytes)
    case .imageList: try checkImageList(bytes)
    case .imageTable: try checkImageTable(bytes)
    case .imageArchive: try checkImageArchive(bytes)
    // Only `sample` reads them.
    case .labels, .requests: return
    }
  }
}
