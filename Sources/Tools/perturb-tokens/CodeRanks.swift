import Autograd
import Codebooks
import ImageModels
import TensorCore

extension Tokenizer {
  /// For each code, the code that is the `rank`-th nearest to it, itself being number 0, by the distance that the
  /// tokenizer quantises with. Of codes at equal distance the first comes first.
  func codesAtRank(_ rank: Int, on device: Device) -> [UInt32] {
    let tape = Tape(device: device, isRecording: false)
    let codes = CodeVectors(comparedCodes(tape))
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
    return UInt32(select(rank - 1, of: &distances).code)
  }
}

/// The entry that would have a place in ascending order (Hoare's selection): a codebook of 16,384 codes is sorted for each
/// of them otherwise. Of equal distances the smaller code comes first, so that no two entries are equal.
private func select(_ place: Int, of entries: inout [(distance: Double, code: Int)]) -> (
  distance: Double, code: Int
) {
  var (low, high) = (0, entries.count - 1)
  while low < high {
    let pivot = entries[low + (high - low) / 2]
    var (left, right) = (low, high)
    while left <= right {
      while (entries[left].distance, entries[left].code) < (pivot.distance, pivot.code) { left += 1 }
      while (pivot.distance, pivot.code) < (entries[right].distance, entries[right].code) { right -= 1 }
      if left <= right {
        entries.swapAt(left, right)
        left += 1
        right -= 1
      }
    }
    if place <= right {
      high = right
    } else if place >= left {
      low = left
    } else {
      return entries[place]
    }
  }
  return entries[place]
}
