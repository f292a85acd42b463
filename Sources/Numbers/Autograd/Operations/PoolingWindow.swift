import CKernels
import TensorCore

/// A square window over an image, and its step.
public struct PoolingWindow: Sendable {
  /// Places along a side.
  public var kernel: Int
  /// Places between two windows.
  public var stride: Int
  /// Places outside the image, above and to the left.
  public var padBefore: Int
  /// Places outside the image, below and to the right.
  public var padAfter: Int

  /// A window that stays inside the image unless a padding is given.
  public init(kernel: Int, stride: Int, padBefore: Int = 0, padAfter: Int = 0) {
    (self.kernel, self.stride, self.padBefore, self.padAfter) = (kernel, stride, padBefore, padAfter)
  }

  /// Windows along a side of an image.
  public func outputSize(_ size: Int) -> Int { (size + padBefore + padAfter - kernel) / stride + 1 }

  /// The window over images [B, H, W, C], for the kernels.
  public func over(_ x: Tensor, outWidth: Int) -> tsr_window {
    tsr_window(
      height: x.shape[1], width: x.shape[2], channels: x.shape[3], kernel: kernel, stride: stride,
      pad_top: padBefore, pad_left: padBefore, out_width: outWidth)
  }

  /// A loop over the windows of some rows of an image: output, input, window, first and last row.
  public typealias Kernel = (
    UnsafeMutablePointer<Float>?, UnsafePointer<Float>?, UnsafePointer<tsr_window>?, Int, Int
  ) -> Void

  /// The output [B, H', W', C] of a loop over images [B, H, W, C].
  public func apply(_ x: Tensor, _ device: Device, _ kernel: Kernel) -> Tensor {
    let (height, width) = (outputSize(x.shape[1]), outputSize(x.shape[2]))
    let y = device.empty([x.shape[0], height, width, x.shape[3]])
    var window = over(x, outWidth: width)
    let (inSize, outSize) = (x.count / x.shape[0], y.count / x.shape[0])
    withUnsafePointer(to: &window) { window in
      forRowsOfImages(x.shape[0], height, device) { image, rows in
        kernel(
          y.pointer + image * outSize, x.pointer + image * inSize, window, rows.lowerBound, rows.upperBound)
      }
    }
    return y
  }
}

/// Calls `body` with ranges of rows that cover every image once, in parallel.
private func forRowsOfImages(
  _ images: Int, _ height: Int, _ device: Device, _ body: (_ image: Int, _ rows: Range<Int>) -> Void
) {
  device.forRanges(images * height) { range in
    var row = range.lowerBound
    while row < range.upperBound {
      let image = row / height
      let end = min(range.upperBound, (image + 1) * height)
      body(image, row - image * height..<end - image * height)
      row = end
    }
  }
}
