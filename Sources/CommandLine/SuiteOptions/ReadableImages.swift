import Datasets
import Images
import TensorCore
import ToolRuntime

extension ToolSession {
  /// Decodes every image once and finds those that can be used.
  /// - Parameter skipUnreadable: report unusable images and continue. If false, the first of them is an
  ///   error.
  /// - Returns: the indices of usable images.
  /// - Throws: `ImageError`; `ToolError` when none is left.
  public func requireReadable(_ images: ImageDataset, skipUnreadable: Bool, on device: Device) throws
    -> [Int]
  {
    var usable: [Int] = []
    let all = Array(images.listing.entries.indices)
    let step = 256
    for first in stride(from: 0, to: all.count, by: step) {
      try interruption.check()
      let items = Array(all[first..<min(first + step, all.count)])
      for (item, result) in zip(items, images.views(of: items, on: device)) {
        switch result {
        case .success: usable.append(item)
        case .failure(let error) where skipUnreadable: warn("skipped: \(error)")
        case .failure(let error): throw error
        }
      }
    }
    let skipped = all.count - usable.count
    if skipped > 0 { warn("\(skipped) of \(all.count) images skipped") }
    if usable.isEmpty {
      throw ToolError(
        .badData, "images", expected: "at least one that can be used", found: "none among \(all.count)",
        try: "other images")
    }
    return usable
  }
}
