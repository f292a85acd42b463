import CKernels
import TensorCore

extension Tape {
  /// The largest value under a window, channel by channel: [B, H, W, C] to [B, H', W', C]. Places outside the image do
  /// not count. The gradient goes to the largest value, of equal ones to the first in raster order.
  public func maxPool(_ x: Variable, _ window: PoolingWindow) -> Variable {
    let y = window.apply(x.value, device, tsr_max_pool)
    return record(y, from: [x]) { [unowned self, x = x.slot, value = x.value] dy in
      let dx = device.zeros(x.shape)
      let (inSize, outSize) = (x.count / x.shape[0], y.count / x.shape[0])
      var window = window.over(value, outWidth: y.shape[2])
      withUnsafePointer(to: &window) { window in
        // Windows overlap, images do not.
        device.forRanges(x.shape[0]) { images in
          for image in images {
            let (input, output) = (image * inSize, image * outSize)
            tsr_max_pool_backward(
              dx.pointer + input, dy.pointer + output, y.pointer + output, value.pointer + input, window,
              y.shape[1])
          }
        }
      }
      accumulate(dx, into: x)
    }
  }
}
