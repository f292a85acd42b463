import CKernels
import Glibc
import TensorCore

/// The first centroids of a k-means by greedy k-means++ (`ClusterStart.greedyKMeansPlusPlus`).
struct GreedyStart {
  private let vectors: CodeVectors
  private let count: Int
  private let candidateCount: Int
  private let panelCount: Int
  /// The vectors in the order of `tsr_pack_codes`.
  private let panels: [Float]
  /// Squared distance of each vector to the nearest chosen one; 0 in the padding, which is so never drawn.
  private var closest: [Float]
  private var isChosen: [Bool]
  /// What `closest` would become with each candidate [candidates, 16 panels].
  private var closer: [Float]
  private var sums: [Double]
  private var cumulative: [Double]

  init(_ vectors: CodeVectors, count: Int) {
    (self.vectors, self.count) = (vectors, count)
    candidateCount = 2 + Int(log(Double(count)))
    let width = Int(TSR_CODE_PANEL)
    panelCount = (vectors.count + width - 1) / width
    let (padded, size) = (panelCount * width, panelCount * width * vectors.dimension)
    panels = [Float](unsafeUninitializedCapacity: size) { panels, filled in
      vectors.elements.withUnsafeBufferPointer {
        tsr_pack_codes(panels.baseAddress, $0.baseAddress, vectors.count, vectors.dimension)
      }
      filled = size
    }
    closest = [Float](repeating: .infinity, count: vectors.count)
    closest += [Float](repeating: 0, count: padded - vectors.count)
    isChosen = [Bool](repeating: false, count: vectors.count)
    closer = [Float](repeating: 0, count: candidateCount * padded)
    sums = [Double](repeating: 0, count: candidateCount)
    cumulative = [Double](repeating: 0, count: vectors.count)
  }

  /// Distinct rows.
  mutating func choose(random: inout CounterRandom, on device: Device) -> [Int] {
    var chosen: [Int] = []
    var candidates = [random.integer(below: vectors.count)]
    while true {
      let best = takeBest(of: candidates, on: device)
      isChosen[best] = true
      chosen.append(best)
      if chosen.count == count { return chosen }
      candidates = draw(&random)
    }
  }

  /// The candidate that leaves the smallest sum of distances; the first of equals.
  private mutating func takeBest(of candidates: [Int], on device: Device) -> Int {
    measure(candidates, on: device)
    var best = 0
    for candidate in candidates.indices where sums[candidate] < sums[best] { best = candidate }
    let padded = closest.count
    closest.replaceSubrange(0..<padded, with: closer[best * padded..<(best + 1) * padded])
    return candidates[best]
  }

  private mutating func measure(_ candidates: [Int], on device: Device) {
    let (d, padded, panelCount) = (vectors.dimension, closest.count, panelCount)
    closer.withUnsafeMutableBufferPointer { closer in
      sums.withUnsafeMutableBufferPointer { sums in
        let (closer, sums) = (closer, sums)
        closest.withUnsafeBufferPointer { closest in
          panels.withUnsafeBufferPointer { panels in
            vectors.elements.withUnsafeBufferPointer { x in
              guard let closer = closer.baseAddress, let x = x.baseAddress else { return }
              device.forRanges(candidates.count) { range in
                for index in range {
                  sums[index] = tsr_closer_to_row(
                    closer + index * padded, closest.baseAddress, x + candidates[index] * d,
                    panels.baseAddress, d, panelCount)
                }
              }
            }
          }
        }
      }
    }
  }

  /// Rows drawn with probability proportional to their distance. If only copies of chosen vectors are left,
  /// the first of them are taken.
  private mutating func draw(_ random: inout CounterRandom) -> [Int] {
    var total = 0.0
    for row in vectors.indices {
      total += Double(closest[row])
      cumulative[row] = total
    }
    let drawn = (0..<candidateCount).compactMap { _ -> Int? in
      let target = random.uniform() * total
      let row = total > 0 ? cumulative.partitionPoint { $0 > target } : vectors.count
      return row < vectors.count && !isChosen[row] ? row : nil
    }
    if !drawn.isEmpty { return drawn }
    guard let next = isChosen.firstIndex(of: false) else {
      preconditionFailure("GreedyStart: \(count) of \(vectors.count) vectors")
    }
    return [next]
  }
}
