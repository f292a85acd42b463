import CKernels
import Foundation
import ImageModels
import TensorCore

/// One line of the table.
struct Measurement: Codable {
  var row: String
  var precision: SamplingPrecision
  var threads: Int
  /// What is counted: tokens or images.
  var unit: String
  /// Units a second, the median of the runs.
  var rate: Double
  /// Timed runs, and whether one that is not timed came before them; nil in files of versions that did not say.
  var runs: Int?
  var warmedUp: Bool?
  /// What bounds the row: the fastest of several trials just before it and just after it, on the same threads.
  var limit: Double
  /// The limit's unit: GFLOP/s of matrix products, GB/s of memory read.
  var limitUnit: String
  /// The row's own arithmetic or reading, over the limit; nil where neither bounds it.
  var shareOfLimit: Double?
  /// Peak memory of the process so far, in MB.
  var peakMegabytes: Double
}

/// Times work and relates it to what the machine can do in the same minute.
struct Stopwatch {
  let device: Device

  /// Seconds of each run of `body`, in increasing order, after one that warms up unless that is off.
  private func times(runs: Int, warmsUp: Bool = true, _ body: () -> Void) -> [Double] {
    if warmsUp { body() }
    let times = (0..<runs).map { _ -> Double in
      let start = ContinuousClock.now
      body()
      return (ContinuousClock.now - start) / .seconds(1)
    }
    return times.sorted()
  }

  /// Measures a row and its limit.
  func measure(_ row: BenchmarkRow, _ precision: SamplingPrecision, runs: Int, warmsUp: Bool) -> Measurement {
    let measureLimit = row.bytes == nil ? matrixProductLimit : memoryLimit
    let before = measureLimit()
    let work = row.prepare(device)
    let seconds = times(runs: runs, warmsUp: warmsUp, work)[runs / 2]
    let peak = Self.peakMegabytes
    // Another program can slow a trial down; none makes it faster than the machine is.
    let limit = max(before, measureLimit())
    return Measurement(
      row: row.name, precision: precision, threads: device.threads.count, unit: row.unit,
      rate: row.units / seconds, runs: runs, warmedUp: warmsUp, limit: limit,
      limitUnit: row.bytes == nil ? "GFLOP/s" : "GB/s",
      shareOfLimit: (row.bytes ?? row.operations).map { $0 / seconds / 1e9 / limit }, peakMegabytes: peak)
  }

  /// GFLOP/s of a large matrix product on all threads.
  private func matrixProductLimit() -> Double {
    let n = 1024
    let (a, b, c) = (device.full([n, n], 0.5), device.full([n, n], 0.25), device.empty([n, n]))
    let seconds = times(runs: 9) {
      device.multiply(
        m: n, n: n, k: n, MatrixOperand(a.pointer, stride: n),
        MatrixOperand(b.pointer, stride: n, transposed: true), into: c.pointer, stride: n)
    }[0]
    return 2 * Double(n * n * n) / seconds / 1e9
  }

  /// GB/s of reading memory on all threads: far more than the caches hold, in large pages.
  private func memoryLimit() -> Double {
    let count = 48 << 20
    let memory = UnsafeMutableRawPointer.allocate(byteCount: 4 * count, alignment: 2 << 20)
    defer { memory.deallocate() }
    tsr_advise_huge_pages(memory, 4 * count)
    let floats = memory.bindMemory(to: Float.self, capacity: count)
    floats.update(repeating: 0.5, count: count)
    let sums = device.empty([device.threads.count])
    let seconds = times(runs: 7) {
      device.threads.forRanges(count, grain: 1 << 16) { range, thread in
        let part = floats + range.lowerBound
        sums.pointer[thread] = Float(tsr_dot(part, part, range.count))
      }
    }[0]
    return Double(4 * count) / seconds / 1e9
  }

  /// Largest resident size of this process, in MB.
  private static var peakMegabytes: Double {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return Double(usage.ru_maxrss) / 1024
  }
}
