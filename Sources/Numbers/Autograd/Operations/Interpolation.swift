import CKernels
import TensorCore

/// How an image of another size is made, as PyTorch's `interpolate` does.
public enum Interpolation: Sendable {
  /// The mean of the places that an output covers; windows overlap where the sizes do not divide.
  case area
  /// The cubic of A = -0.75 through four places, of which those outside repeat the border. Nothing is smoothed before
  /// an image shrinks.
  case bicubic
  /// The straight line through the two nearest places, of which those outside repeat the border. Nothing is smoothed
  /// before an image shrinks.
  case bilinear

  /// A place of the input that counts for an output, along one side.
  struct Tap {
    let source: Int
    let weight: Float
  }

  /// The taps of each output along a side of `inputs` places that becomes one of `outputs`.
  func taps(from inputs: Int, to outputs: Int) -> [[Tap]] {
    (0..<outputs).map { output in
      let center = (Double(output) + 0.5) * Double(inputs) / Double(outputs) - 0.5
      let first = center.rounded(.down)
      func tap(_ step: Int, _ weight: Double) -> Tap {
        Tap(source: min(max(Int(first) + step, 0), inputs - 1), weight: Float(weight))
      }
      switch self {
      case .area:
        let window = output * inputs / outputs..<((output + 1) * inputs + outputs - 1) / outputs
        return window.map { Tap(source: $0, weight: 1 / Float(window.count)) }
      case .bicubic: return (-1...2).map { tap($0, Self.cubic(abs(center - first - Double($0)))) }
      case .bilinear: return [tap(0, 1 - (center - first)), tap(1, center - first)]
      }
    }
  }

  /// The weight of a place at a distance below 2.
  private static func cubic(_ distance: Double) -> Double {
    let a = -0.75
    return distance <= 1
      ? ((a + 2) * distance - (a + 3)) * distance * distance + 1
      : ((a * distance - 5 * a) * distance + 8 * a) * distance - 4 * a
  }
}

extension Tape {
  /// Images x [B, H, W, C] at another size: [B, height, width, C].
  public func interpolate(_ x: Variable, height: Int, width: Int, _ kind: Interpolation) -> Variable {
    precondition(
      x.shape.count == 4 && x.shape[1] > 0 && x.shape[2] > 0 && height > 0 && width > 0,
      "interpolate: x \(x.shape) to \(height) x \(width)")
    let plan = InterpolationPlan(
      rows: kind.taps(from: x.shape[1], to: height), columns: kind.taps(from: x.shape[2], to: width),
      inputShape: x.shape)
    let y = device.zeros([x.shape[0], height, width, x.shape[3]])
    plan.forEachTap(device) { output, input, weight, count in
      tsr_axpy(y.pointer + output, weight, x.value.pointer + input, count)
    }
    return record(y, from: [x]) { [unowned self, x = x.slot] dy in
      let dx = device.zeros(x.shape)
      plan.forEachTap(device) { output, input, weight, count in
        tsr_axpy(dx.pointer + input, weight, dy.pointer + output, count)
      }
      accumulate(dx, into: x)
    }
  }
}

/// The products of the taps along both sides.
private struct InterpolationPlan {
  let rows, columns: [[Interpolation.Tap]]
  let inputShape: [Int]

  /// Calls `body` with the first element of an output place, that of an input place, the weight, and the number of
  /// channels. Threads divide the images, so that no two of them write to one place in either direction.
  func forEachTap(_ device: Device, _ body: (Int, Int, Float, Int) -> Void) {
    let (h, w, c) = (inputShape[1], inputShape[2], inputShape[3])
    device.forRanges(inputShape[0]) { images in
      for image in images {
        for (i, vertical) in rows.enumerated() {
          for (j, horizontal) in columns.enumerated() {
            let output = ((image * rows.count + i) * columns.count + j) * c
            for row in vertical {
              for column in horizontal {
                body(
                  output, ((image * h + row.source) * w + column.source) * c, row.weight * column.weight, c)
              }
            }
          }
        }
      }
    }
  }
}
