import Codebooks
import Datasets
import Evaluation
import ImageModels
import Images
import ToolRuntime
import Training

// The rooms know nothing of exit codes; this is where their errors get theirs.

extension ImageError: ExitCoded {
  /// By what failed: finding, reading or understanding the image.
  public var exitCode: ToolExit {
    switch self {
    case .notFound, .inaccessible: .noInput
    case .unreadable: .ioError
    case .outOfMemory: .failed
    default: .badData
    }
  }
}

extension CodebookError: ExitCoded {
  /// Bad data.
  public var exitCode: ToolExit { .badData }
}

extension GenerationError: ExitCoded {
  /// A failure: the file was well-formed.
  public var exitCode: ToolExit { .failed }
}

extension TrainingError: ExitCoded {
  /// Diverging is a failure; wrong data and foreign checkpoints are bad data.
  public var exitCode: ToolExit {
    switch self {
    case .notFinite: .failed
    case .settingsChanged: .badData
    case .interrupted: .interrupted
    }
  }
}

extension DatasetError: ExitCoded {
  /// Bad data.
  public var exitCode: ToolExit { .badData }
}

extension EvaluationError: ExitCoded {
  /// A probe that diverges is a failure; features that do not fit together are bad data.
  public var exitCode: ToolExit {
    switch self {
    case .probeNotFinite: .failed
    case .badFeatures: .badData
    }
  }
}
