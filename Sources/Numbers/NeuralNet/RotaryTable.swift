import Glibc
import TensorCore

/// Angles of 2-D rotary position embedding for a class position followed by a grid in raster order, as
/// LlamaGen computes them.
public enum RotaryTable {
  /// Cos and sin [1 + rows * columns, headSize / 2, 2]. The first half of a head's interleaved pairs
  /// (2i, 2i + 1) turns with the row, the other half with the column. The class position's cos and sin are
  /// both zero: its query and key vanish, and released checkpoints depend on it.
  public static func make(device: Device, rows: Int, columns: Int, headSize: Int, base: Double) -> Tensor {
    precondition(headSize % 4 == 0, "RotaryTable: head size \(headSize) is not a multiple of 4")
    let table = device.zeros([1 + rows * columns, headSize / 2, 2])
    let perAxis = headSize / 4
    for position in 0..<rows * columns {
      for pair in 0..<headSize / 2 {
        let frequency = 1 / pow(base, Double(2 * (pair % perAxis)) / Double(headSize / 2))
        let coordinate = pair < perAxis ? position / columns : position % columns
        let entry = table.pointer + ((position + 1) * headSize / 2 + pair) * 2
        entry[0] = Float(cos(Double(coordinate) * frequency))
        entry[1] = Float(sin(Double(coordinate) * frequency))
      }
    }
    return table
  }
}
