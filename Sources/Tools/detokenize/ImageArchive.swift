import ForeignFiles
import ImageModels
import Images
import StreamFormat
import ToolRuntime

/// The `.npz` layout of ADM's evaluation: `arr_0`, uint8 [n, H, W, 3], and `arr_1`, int64 labels [n]. Images are written
/// as they come, so that no more than a batch of them is in memory.
struct ImageArchive {
  private let output: AtomicOutput
  private let writer: NumPyArchiveWriter
  private let labels: [Int64]

  /// Starts the archive of images of these classes.
  init(_ output: AtomicOutput, _ size: (height: Int, width: Int), labels: [Int]) throws {
    self.output = output
    self.labels = labels.map { Int64($0) }
    writer = try NumPyArchiveWriter(output)
    let shape = [labels.count, size.height, size.width, 3]
    try writer.begin("arr_0", NumPyHeader(.uint8, shape))
  }

  /// Writes the next images.
  func write(_ images: [LabelledImage]) throws {
    for item in images { try item.image.pixels.withUnsafeBytes { try writer.write($0) } }
  }

  /// Writes the labels, after the last image, and puts the archive in its place.
  func finish() throws {
    try writer.begin("arr_1", NumPyHeader(.int64, [labels.count]))
    try labels.withUnsafeBytes { try writer.write($0) }
    try writer.finish()
    try output.commit()
  }
}
