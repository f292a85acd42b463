import CKernels
import Foundation
import TensorCore

/// One line of the table.
struct Measurement: Codable {
  var row: String
  var threads: Int
  /// What is counted: tokens, images or iterations.
  var unit: String
  /// Units a second, the median of the runs.
  var rate: Double
  /// Arithmetic per second over the matrix-product limit measured just before, where arithmetic bounds it.
  var shareOfLimit: Double?
  /// The limit, in GFLOP/s.
  var limit: Double
  /// Peak memory of the process so far, in MB.
  var peakMegabytes: Double
}

/// Times work and relates it to what the machine can do in the same minute.
struct Stopwatch {
  let device: Device

  /// Seconds of `body`: the median of several runs after one that warms up.
  func median(runs: Int = 5, _ body: () -> Void) -> Double {
    body()
    let times = (0..<runs).map { _ -> Double in
      let start = ContinuousClock.now
      body()
      return (ContinuousClock.now - start) / .seconds(1)
    }
    return times.sorted()[runs / 2]
  }

  /// GFLOP/s of a large matrix product on all threads.
  func matrixProductLimit() -> Double {
    let n = 1024
    let (a, b, c) = (device.full([n, n], 0.5), device.full([n, n], 0.25), device.empty([n, n]))
    let seconds = median(runs: 9) {
      device.multiply(
        m: n, n: n, k: n, MatrixOperand(a.pointer, stride: n),
        MatrixOperand(b.pointer, stride: n, transposed: true), into: c.pointer, stride: n)
    }
    return 2 * Double(n * n * n) / seconds / 1e9
  }

  /// Largest resident size of this process, in MB.
  static var peakMegabytes: Double {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return Double(usage.ru_maxrss) / 1024
  }
}
