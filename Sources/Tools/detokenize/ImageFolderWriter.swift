import FoundationEssentials
import Glibc
import Images
import StreamFormat
import ToolRuntime

/// Writes images as `CLASS/000123.png`, as they come. Whatever the name of a class is, its folder lies in this one, and
/// reading the folder gives the same names.
struct ImageFolderWriter {
  private let folder: AtomicFolder
  private let classNames: [String]
  private var number: Int

  /// - Parameters:
  ///   - labels: of all images that will be written, by this run or by others with other shards.
  ///   - first: number of the first image.
  /// - Throws: `ToolError` where two of their classes have one name and would become one folder.
  init(_ folder: AtomicFolder, classNames: [String], labels: Set<Int>, first: Int) throws {
    (self.folder, self.classNames, number) = (folder, classNames, first)
    var seen: Set<String> = []
    for label in labels.sorted() where classNames.indices.contains(label) {
      guard seen.insert(classNames[label]).inserted else {
        throw ToolError(
          .badData, folder.path,
          expected: "another name for every class",
          found: "'\(visible(shortened(classNames[label], to: 80)))' twice",
          try: "--grid or --npz, or tokens with other class names")
      }
    }
  }

  /// Six digits at least, so that the order of names is that of the images.
  private static func fileName(_ number: Int) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(0, 6 - digits.count)) + digits + ".png"
  }

  /// Adds images, which are numbered through.
  /// - Throws: `StreamError`.
  mutating func write(_ images: [LabelledImage]) throws {
    for item in images {
      let name = classNames.indices.contains(item.label) ? classNames[item.label] : String(item.label)
      try folder.write(
        PNGEncoder.encode(item.image), subfolder: ClassFolder.name(of: name),
        file: Self.fileName(number))
      number += 1
    }
  }

  /// Gives the folder to the session.
  /// - Throws: `ToolError`.
  func finish() throws { try folder.commit() }
}
