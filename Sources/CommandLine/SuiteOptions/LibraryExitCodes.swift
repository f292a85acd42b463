import Codebooks
import Datasets
import Evaluation
import ForeignFiles
import ImageModels
import Images
import ToolRuntime
import Training

// Libraries define no exit codes. This file gives one to each of their errors.

extension ImageError: ExitCoded {
  /// Depends on whether the image was not found, could not be read, or could not be decoded.
  public var exitCode: ToolExit {
    switch self {
    case .notFound, .inaccessible: .noInput
    case .unreadable: .ioError
    case .outOfMemory: .failed
    default: .badData
    }
  }
}

extension ForeignFileError: ExitCoded {
  public var exitCode: ToolExit { .badData }
}

extension CodebookError: ExitCoded {
  public var exitCode: ToolExit { .badData }
}

extension GenerationError: ExitCoded {
  /// A failure and not bad data, because the file was well-formed.
  public var exitCode: ToolExit { .failed }
}

extension TrainingError: ExitCoded {
  /// Divergence is a failure. Wrong data and checkpoints of other runs are bad data.
  public var exitCode: ToolExit {
    switch self {
    case .notFinite: .failed
    case .settingsChanged, .ranksDiffer: .badData
    case .interrupted: .interrupted
    }
  }
}

extension DatasetError: ExitCoded {
  public var exitCode: ToolExit { .badData }
}

extension EvaluationError: ExitCoded {
  /// Divergence of a probe is a failure. Features that do not fit together are bad data.
  public var exitCode: ToolExit {
    switch self {
    case .probeNotFinite: .failed
    case .badFeatures: .badData
    }
  }
}
