import CKernels
import COpenBLAS

#if OneDNN
  import COneDNN
#endif

/// The libraries and the instruction set of this build, for `--version` and for reports.
public enum BuildInformation {
  /// OpenBLAS with the kernels it chose.
  public static var blas: String {
    "OpenBLAS \(String(cString: openblas_get_config()).split(separator: " ").dropFirst().first ?? "") (\(String(cString: openblas_get_corename())))"
  }

  /// oneDNN's version, or "without oneDNN".
  public static var oneDNN: String {
    #if OneDNN
      return "oneDNN \(String(cString: tsr_dnnl_version_text()))"
    #else
      return "without oneDNN"
    #endif
  }

  /// The instruction set of the vector loops.
  public static var instructionSet: String { String(cString: tsr_instruction_set()) }

  /// One line per library.
  public static var lines: [String] { [blas, oneDNN, "kernels for \(instructionSet)"] }
}
