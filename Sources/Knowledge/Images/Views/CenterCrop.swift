extension RGBImage {
  /// The central `size` x `size` square after scaling the shorter side to `size`: LlamaGen's `center_crop_arr`,
  /// itself from guided-diffusion. The image is halved with a box filter while its shorter side is at least twice
  /// the size, then scaled bicubically. Smaller images are scaled up.
  public func centerCropped(to size: Int) -> RGBImage {
    precondition(size > 0, "a crop has at least one pixel")
    var image = self
    while min(image.width, image.height) >= 2 * size {
      image = image.resized(width: image.width / 2, height: image.height / 2, filter: .box)
    }
    let scale = Double(size) / Double(min(image.width, image.height))
    image = image.resized(
      width: scaled(image.width, scale), height: scaled(image.height, scale), filter: .bicubic)
    return image.cropped(
      x: (image.width - size) / 2, y: (image.height - size) / 2, width: size, height: size)
  }

  /// Python's `round`: halves go to the even neighbour.
  private func scaled(_ length: Int, _ scale: Double) -> Int {
    Int((Double(length) * scale).rounded(.toNearestOrEven))
  }
}
