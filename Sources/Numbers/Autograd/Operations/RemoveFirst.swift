import TensorCore

extension Tape {
  /// Drops the first row of each sequence: [B, N, C] from x [B, 1 + N, C].
  public func removeFirst(_ x: Variable) -> Variable {
    precondition(x.shape.count == 3 && x.shape[1] >= 1, "removeFirst: x \(x.shape)")
    let (b, n, c) = (x.shape[0], x.shape[1] - 1, x.shape[2])
    let y = device.empty([b, n, c])
    for i in 0..<b {
      (y.pointer + i * n * c).update(from: x.value.pointer + (i * (n + 1) + 1) * c, count: n * c)
    }
    return record(y, from: [x]) { [unowned self, x = x.slot] dy in
      let dx = device.empty(x.shape)
      for i in 0..<b {
        let row = dx.pointer + i * (n + 1) * c
        row.update(repeating: 0, count: c)
        (row + c).update(from: dy.pointer + i * n * c, count: n * c)
      }
      accumulate(dx, into: x)
    }
  }
}
