import CKernels
import TensorCore

extension Tape {
  /// Rows of a table: y [indices.count, C] from table [V, C].
  public func embedding(_ indices: [Int], table: Variable) -> Variable {
    let (vocabulary, c) = (table.shape[0], table.shape[1])
    precondition(
      indices.allSatisfy { (0..<vocabulary).contains($0) }, "embedding: an index is outside 0..<\(vocabulary)"
    )
    let y = device.empty([indices.count, c])
    device.forRanges(indices.count) { range in
      for i in range {
        (y.pointer + i * c).update(from: table.value.pointer + indices[i] * c, count: c)
      }
    }
    return record(y, from: [table]) { [unowned self, table = table.slot] dy in
      let gradient = additionTarget(for: table)
      // Threads divide the columns and not the rows, because two rows may add to the same entry of the table.
      device.forRanges(c, grain: 16) { columns in
        for i in indices.indices {
          tsr_axpy(
            gradient.pointer + indices[i] * c + columns.lowerBound, 1,
            dy.pointer + i * c + columns.lowerBound, columns.count)
        }
      }
    }
  }

  /// Puts one row before each sequence: [B, 1 + N, C] from first [B, C] and rest [B * N, C].
  public func prepend(_ first: Variable, to rest: Variable) -> Variable {
    let (b, c) = (first.shape[0], first.shape[1])
    let n = rest.value.count / (b * c)
    precondition(rest.value.count == b * n * c, "prepend: first \(first.shape), rest \(rest.shape)")
    let y = device.empty([b, n + 1, c])
    for i in 0..<b {
      let row = y.pointer + i * (n + 1) * c
      row.update(from: first.value.pointer + i * c, count: c)
      (row + c).update(from: rest.value.pointer + i * n * c, count: n * c)
    }
    return record(y, from: [first, rest]) { [unowned self, first = first.slot, rest = rest.slot] dy in
      let (dFirst, dRest) = (device.empty(first.shape), device.empty(rest.shape))
      for i in 0..<b {
        let row = dy.pointer + i * (n + 1) * c
        (dFirst.pointer + i * c).update(from: row, count: c)
        (dRest.pointer + i * n * c).update(from: row + c, count: n * c)
      }
      accumulate(dFirst, into: first)
      accumulate(dRest, into: rest)
    }
  }
}
