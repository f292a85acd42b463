import ImageModels
import ToolRuntime

extension NotFiniteError: ExitCoded {
  /// A failure: the file was well-formed.
  public var exitCode: ToolExit { .failed }
}
