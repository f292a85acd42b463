import CKernels
import Glibc
import TensorCore

extension Tape {
  /// What attention with queries and keys of length 1 reads: of qkv [B, T, 3C], each head's query is divided by its
  /// length and multiplied by exp(min(logScale, ln 100)), each head's key is divided by its length, and the value is as it
  /// is. Lengths are at least 1e-12.
  /// - Parameter logScale: a number a head.
  public func normalizeQueriesAndKeys(_ qkv: Variable, logScale: Variable) -> Variable {
    let (heads, c) = (logScale.value.count, qkv.value.lastDimension / 3)
    precondition(
      qkv.value.lastDimension == 3 * c && c % heads == 0,
      "normalizeQueriesAndKeys: qkv \(qkv.shape), \(heads) heads")
    let (rows, size) = (qkv.value.rowCount, c / heads)
    let ceiling = log(Float(100))
    let factors = logScale.value.toArray().map { exp(min($0, ceiling)) }
    let y = device.empty(qkv.shape)
    // Of each row: unit queries and keys of the heads, and the inverses of their lengths.
    let (units, inverses) = (device.empty([rows, 2 * c]), device.empty([rows, 2 * heads]))
    device.forRanges(rows) { range in
      for row in range {
        let (x, out) = (qkv.value.pointer + row * 3 * c, y.pointer + row * 3 * c)
        let unit = units.pointer + row * 2 * c
        tsr_l2_normalize(unit, inverses.pointer + row * 2 * heads, x, 1e-12, 2 * heads, size)
        for head in 0..<heads { tsr_scale(out + head * size, factors[head], unit + head * size, size) }
        (out + c).update(from: unit + c, count: c)
        (out + 2 * c).update(from: x + 2 * c, count: c)
      }
    }
    return record(y, from: [qkv, logScale]) {
      [unowned self, qkv = qkv.slot, scales = logScale.value, logScale = logScale.slot] dy in
      if logScale.requiresGradient {
        let gradient = additionTarget(for: logScale)
        // At the ceiling and above it nothing passes.
        for head in 0..<heads where scales.pointer[head] < ceiling {
          var sum = 0.0
          for row in 0..<rows {
            sum += tsr_dot(
              dy.pointer + row * 3 * c + head * size, units.pointer + row * 2 * c + head * size, size)
          }
          gradient.pointer[head] += Float(sum) * factors[head]
        }
      }
      guard qkv.requiresGradient else { return }
      let dx = device.empty(qkv.shape)
      device.forRanges(rows) { range in
        for row in range {
          let (d, out) = (dy.pointer + row * 3 * c, dx.pointer + row * 3 * c)
          let (unit, inverse) = (units.pointer + row * 2 * c, inverses.pointer + row * 2 * heads)
          tsr_l2_normalize_backward(out, d, unit, inverse, 2 * heads, size)
          for head in 0..<heads { tsr_scale(out + head * size, factors[head], out + head * size, size) }
          (out + 2 * c).update(from: d + 2 * c, count: c)
        }
      }
      accumulate(dx, into: qkv)
    }
  }

  /// y [..., n] = x + row [n].
  public func addRow(_ x: Variable, _ row: Variable) -> Variable {
    let n = x.value.lastDimension
    precondition(row.value.count == n, "addRow: x \(x.shape), row \(row.shape)")
    let y = device.copy(x.value)
    device.forRanges(x.value.rowCount) {
      tsr_add_bias(y.pointer + $0.lowerBound * n, row.value.pointer, $0.count, n)
    }
    return record(y, from: [x, row]) { [unowned self, x = x.slot, row = row.slot] dy in
      accumulate(dy, into: x)
      guard row.requiresGradient else { return }
      let target = additionTarget(for: row)
      let partial = device.zeros([device.threads.count, n])
      device.threads.forRanges(dy.rowCount) { range, thread in
        tsr_column_sums(partial.pointer + thread * n, dy.pointer + range.lowerBound * n, range.count, n)
      }
      device.addRows(of: partial, to: target)
    }
  }
}
