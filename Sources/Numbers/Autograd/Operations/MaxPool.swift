import CKernels
import TensorCore

extension Tape {
  /// The largest value under a window, channel by channel: [B, H, W, C] to [B, H', W', C]. Places outside the image do
  /// not count. The gradient goes to the largest value, of equal ones to the first in raster order.
  public func maxPool(_ x: Variable, _ window: PoolingWindow) -> Variable {
    let y = window.apply(x.value, device, tsr_max_pool)
    return record(y, from: [x]) { [unowned self] dy in
      let dx = device.zeros(x.shape)
      // Windows overlap, images do not.
      device.forRanges(x.shape[0]) { images in
        for image in images { window.addGradient(dy, y, x.value, image: image, to: dx) }
      }
      accumulate(dx, into: x)
    }
  }
}

extension PoolingWindow {
  fileprivate func addGradient(_ dy: Tensor, _ y: Tensor, _ x: Tensor, image: Int, to dx: Tensor) {
    let (h, w, c) = (x.shape[1], x.shape[2], x.shape[3])
    for row in 0..<y.shape[1] {
      let rows = inside(row, h)
      for column in 0..<y.shape[2] {
        let columns = inside(column, w)
        let output = ((image * y.shape[1] + row) * y.shape[2] + column) * c
        for channel in 0..<c {
          let largest = y.pointer[output + channel]
          search: for i in rows {
            for j in columns {
              let input = ((image * h + i) * w + j) * c + channel
              guard x.pointer[input] == largest else { continue }
              dx.pointer[input] += dy.pointer[output + channel]
              break search
            }
          }
        }
      }
    }
  }

  /// The places of a window that lie inside the image, along one side.
  private func inside(_ position: Int, _ size: Int) -> Range<Int> {
    let first = position * stride - padBefore
    return max(first, 0)..<min(first + kernel, size)
  }
}
