import TensorCore

extension Tape {
  /// Images [B, H, W, C1], [B, H, W, C2], ... side by side: [B, H, W, C1 + C2 + ...].
  public func joinChannels(_ parts: [Variable]) -> Variable {
    let widths = parts.map(\.value.lastDimension)
    let total = widths.reduce(0, +)
    let y = device.empty(Array(parts[0].shape.dropLast()) + [total])
    precondition(parts.allSatisfy { $0.value.rowCount == y.rowCount }, "joinChannels: \(parts.map(\.shape))")
    let first = widths.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1) }
    device.forRanges(y.rowCount, grain: 64) { rows in
      for (part, (offset, count)) in zip(parts, zip(first, widths)) {
        for row in rows {
          (y.pointer + row * total + offset).update(from: part.value.pointer + row * count, count: count)
        }
      }
    }
    return record(y, from: parts) { [unowned self, parts = parts.map(\.slot)] dy in
      for (part, (offset, count)) in zip(parts, zip(first, widths)) where part.requiresGradient {
        let dx = device.empty(part.shape)
        device.forRanges(dx.rowCount, grain: 64) {
          for row in $0 {
            (dx.pointer + row * count).update(from: dy.pointer + row * total + offset, count: count)
          }
        }
        accumulate(dx, into: part)
      }
    }
  }
}
