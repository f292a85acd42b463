import Autograd
import Codebooks
import ImageModels
import TensorCore

extension Tokenizer {
  /// For each code, the code that is the `rank`-th nearest to it, itself being number 0, by the distance that the
  /// tokenizer quantises with. Of codes at equal distance the first comes first.
  func codesAtRank(_ rank: Int, on device: Device) -> [UInt32] {
    let tape = Tape(device: device, isRecording: false)
    let codes = CodeVectors(comparable(tape, codebook).value)
    var table = [UInt32](repeating: 0, count: codes.count)
    table.withUnsafeMutableBufferPointer { table in
      device.forRanges(codes.count) { range in
        for code in range { table[code] = codes.neighbour(of: code, rank: rank) }
      }
    }
    return table
  }
}

extension CodeVectors {
  /// Copies of a code come after the code itself, whichever is first in the codebook.
  fileprivate func neighbour(of code: Int, rank: Int) -> UInt32 {
    if rank == 0 { return UInt32(code) }
    let own = Array(self[code])
    var distances: [(distance: Double, code: Int)] = []
    distances.reserveCapacity(count - 1)
    for other in 0..<count where other != code {
      var sum = 0.0
      for (k, value) in own.enumerated() {
        let difference = Double(value) - Double(elements[other * dimension + k])
        sum += difference * difference
      }
      distances.append((sum, other))
    }
    // Only the order up to the rank matters, but a codebook is small enough to sort.
    distances.sort { ($0.distance, $0.code) < ($1.distance, $1.code) }
    return UInt32(distances[rank - 1].code)
  }
}
