import Foundation
import Images
import StreamFormat
import ToolRuntime

/// Whatever the name of a class is, its folder lies in this one, and reading the folder gives the same names.
extension AtomicFolder {
  /// Writes images as `CLASS/000123.png`.
  /// - Throws: `StreamError`, `ToolError`.
  func write(_ images: [LabelledImage], classNames: [String]) throws {
    try requireDistinct(classNames, of: Set(images.map(\.label)))
    for (index, item) in images.enumerated() {
      let name = classNames.indices.contains(item.label) ? classNames[item.label] : String(item.label)
      try write(
        PNGEncoder.encode(item.image), subfolder: ClassFolder.name(of: name),
        file: String(format: "%06d.png", index))
    }
    try commit()
  }

  /// Two classes of one name would become one folder.
  private func requireDistinct(_ classNames: [String], of labels: Set<Int>) throws {
    var seen: Set<String> = []
    for label in labels.sorted() where classNames.indices.contains(label) {
      guard seen.insert(classNames[label]).inserted else {
        throw ToolError(
          .badData,
          "\(path): expected another name for every class; found "
            + "'\(visible(shortened(classNames[label], to: 80)))' twice; try: --grid or --npz, or tokens with other "
            + "class names")
      }
    }
  }
}
