import Foundation
import Images
import ToolRuntime

extension AtomicFolder {
  /// Writes images as `CLASS/000123.png`.
  /// - Throws: `StreamError`, `ToolError`.
  func write(_ images: [LabelledImage], classNames: [String]) throws {
    for (index, item) in images.enumerated() {
      let name = classNames.indices.contains(item.label) ? classNames[item.label] : String(item.label)
      try write(
        PNGEncoder.encode(item.image), subfolder: name.replacingOccurrences(of: "/", with: "_"),
        file: String(format: "%06d.png", index))
    }
    try commit()
  }
}
