import CKernels
import TensorCore

extension Tape {
  /// residual + dropout(x): each element of x is kept with probability 1 - rate and scaled by 1 / (1 - rate).
  /// With no residual, dropout alone.
  public func dropout(
    _ x: Variable, rate: Float, random: CounterRandom, addedTo residual: Variable? = nil
  ) -> Variable {
    precondition(rate >= 0 && rate < 1, "dropout: rate \(rate)")
    if rate == 0 { return residual.map { add($0, x) } ?? x }
    let y = device.empty(x.shape)
    let mask = isRecording && x.requiresGradient ? DropoutMask(device.empty([(x.value.count + 3) / 4])) : nil
    device.applyDropout(x.value, rate, random, residual: residual?.value, into: y, mask)
    return record(y, from: [x] + (residual.map { [$0] } ?? [])) {
      [unowned self, x = x.slot, residual = residual?.slot] dy in
      if let residual { accumulate(dy, into: residual) }
      guard let mask else { return }
      let dx = device.empty(x.shape)
      device.forRanges(dx.count, grain: 4096) {
        let i = $0.lowerBound
        tsr_dropout_backward(dx.pointer + i, dy.pointer + i, mask.bytes + i, 1 / (1 - rate), $0.count)
      }
      accumulate(dx, into: x)
    }
  }
}

/// The kept elements, one byte per element: storing them is faster than drawing the random words again.
private struct DropoutMask {
  private let memory: Tensor

  init(_ memory: Tensor) { self.memory = memory }

  var bytes: UnsafeMutablePointer<UInt8> {
    UnsafeMutableRawPointer(memory.pointer).assumingMemoryBound(to: UInt8.self)
  }
}

extension Device {
  fileprivate func applyDropout(
    _ x: Tensor, _ rate: Float, _ random: CounterRandom, residual: Tensor?, into y: Tensor,
    _ mask: DropoutMask?
  ) {
    let grain = 4096
    // A rate below 2^-32 would round to 2^32, one more than a word can be compared with.
    let keepLimit = UInt32(min((1 - Double(rate)) * 0x1p32, 0x1p32 - 1))
    forRanges(x.count, grain: grain) { range in
      withUnsafeTemporaryAllocation(of: UInt32.self, capacity: grain) { words in
        for start in stride(from: range.lowerBound, to: range.upperBound, by: grain) {
          let count = min(grain, range.upperBound - start)
          // Four words per block: element i always uses word i of the stream.
          random.fill(words.baseAddress!, blocks: (count + 3) / 4, first: UInt32(start / 4))
          tsr_dropout_add(
            y.pointer + start, mask.map { $0.bytes + start },
            residual.map { UnsafePointer($0.pointer + start) },
            x.pointer + start, words.baseAddress, keepLimit, 1 / (1 - rate), count)
        }
      }
    }
  }
}
