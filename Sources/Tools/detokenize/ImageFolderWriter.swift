import Foundation
import Images
import StreamFormat
import ToolRuntime

/// Writes images as `CLASS/000123.png`, into a folder that appears whole or not at all. Whatever a class's name, its
/// folder lies in this one, and reading the folder gives the same names.
struct ImageFolderWriter {
  private let path: String

  init(_ path: String) { self.path = path }

  func write(_ images: [LabelledImage], classNames: [String]) throws {
    let partial = path + ".partial-\(getpid())"
    try requireDistinct(classNames, of: Set(images.map(\.label)))
    do {
      for (index, item) in images.enumerated() {
        let name = classNames.indices.contains(item.label) ? classNames[item.label] : String(item.label)
        let folder = partial + "/" + ClassFolder.name(of: name)
        try create(folder)
        let output = try AtomicOutput(path: folder + String(format: "/%06d.png", index))
        try PNGEncoder.encode(item.image).withUnsafeBytes { try output.write($0) }
        try output.commit()
      }
      try replaceTarget(with: partial)
    } catch {
      try? FileManager.default.removeItem(atPath: partial)
      throw error
    }
  }

  /// Two classes of one name would become one folder.
  private func requireDistinct(_ classNames: [String], of labels: Set<Int>) throws {
    var seen: Set<String> = []
    for label in labels.sorted() where classNames.indices.contains(label) {
      guard seen.insert(classNames[label]).inserted else {
        throw ToolError(
          .badData,
          "\(path): expected another name for every class; found '\(visible(shortened(classNames[label], to: 80)))' twice; "
            + "try: --grid or --npz, or tokens with other class names")
      }
    }
  }

  private func create(_ folder: String) throws {
    do {
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    } catch {
      throw ToolError(.cannotCreate, "\(folder): cannot create the folder: \(error.localizedDescription)")
    }
  }

  /// Checks that the folder is not there yet, or is empty.
  func requireNew() throws {
    if let old = try? FileManager.default.contentsOfDirectory(atPath: path), !old.isEmpty {
      throw ToolError(
        .cannotCreate,
        "\(path): expected a new or empty folder; found \(old.count) entries; try: another name")
    }
  }

  private func replaceTarget(with partial: String) throws {
    try requireNew()
    _ = rmdir(path)
    guard rename(partial, path) == 0 else {
      throw ToolError(.cannotCreate, "\(path): cannot create: \(String(cString: strerror(errno)))")
    }
  }
}
