import ForeignFiles
import FoundationEssentials
import Glibc
import Images
import StreamFormat

extension ImageListing {
  /// The images of a zip or tar archive, in place. Their classes are, whichever comes first:
  ///
  /// * the labels of a webdataset, a file `KEY.cls` with a number, or `KEY.json` with `label`, beside each image; the images are
  ///   in the order of the archive;
  /// * the folders of the archive, as ``ImageFolder`` takes those of a folder, and in its order. Folders that all images
  ///   share above those of the classes do not count;
  /// * the name of the archive.
  ///
  /// - Parameter classCount: of classes that are numbers, how many there are; nil for the largest and one.
  /// - Throws: `ForeignFileError`, `ImageError`, `StreamError`.
  public init(archive: MappedFile, classCount: Int? = nil) throws {
    let archived = try ArchivedFiles(archive) { Self.isImage($0) || Self.isLabel($0) }
    let images = archived.files.filter { Self.isImage($0.path) }
    if images.isEmpty { throw ImageError.noImages(folder: archive.name) }
    // Another JSON file, such as a description of the whole, is no label.
    let keys = Set(images.map { Self.key(of: $0.path) })
    let labels = archived.files.filter { Self.isLabel($0.path) && keys.contains(Self.key(of: $0.path)) }
    if !labels.isEmpty {
      try self.init(
        numbered: Self.labelled(images, by: labels, archive.name), classCount: classCount, name: archive.name)
    } else {
      try self.init(folders: images, besides: archived.folders, archive.name)
    }
    passedOver = Self.foreignEndings(of: archived.others)
  }

  private init(folders images: [ArchivedFiles.File], besides named: Set<[String]>, _ archive: String) throws {
    var shared = 0
    while let folder = images[0].path.dropLast(2).dropFirst(shared).first,
      images.allSatisfy({ $0.path.count > shared + 2 && $0.path[shared] == folder })
    {
      shared += 1
    }
    // A folder that holds all images is no class where some of them are beside its folders.
    let inside = images.filter { $0.path.count == shared + 2 && $0.path[shared] == images[0].path[shared] }
    if let image = inside.first, images.allSatisfy({ $0.path[shared] == image.path[shared] }),
      let other = images.first(where: { $0.path.count > shared + 2 })
    {
      throw ImageError.mixedFolder(folder: archive, image: image.name, subfolder: other.path[shared + 1])
    }
    // The folders that would be classes if this one was given.
    let candidates = named.filter { $0.count == shared + 1 && $0.starts(with: images[0].path.prefix(shared)) }
      .sorted { areInNameOrder($0[shared], $1[shared]) }
    let flat = images.first { $0.path.count == shared + 1 }
    let isFlat = flat != nil
    if let flat, let other = candidates.first {
      throw ImageError.mixedFolder(folder: archive, image: flat.name, subfolder: other[shared])
    }
    let classes: FolderClassNames
    if isFlat {
      classes = FolderClassNames(Self.stem(of: archive))
    } else {
      let folders = images.map { FilePath($0.path[shared]) }
      classes = try FolderClassNames(folders, in: archive)
      // As in a folder: without it, the classes after it would have other numbers than there.
      if let empty = candidates.first(where: { classes.number(of: FilePath($0[shared])) == nil }) {
        throw ImageError.emptyClass(folder: "\(archive): \(empty.joined(separator: "/"))")
      }
    }
    let sorted = images.map { image in
      (image: image, label: isFlat ? 0 : classes.number(of: FilePath(image.path[shared])) ?? 0)
    }
    .sorted { a, b in
      a.label != b.label
        ? a.label < b.label : areInNameOrder(a.image.name, b.image.name)
    }
    self.init(
      classNames: classes.names,
      entries: sorted.map { Entry($0.image.source(in: archive), label: $0.label) })
  }

  /// The images of a webdataset with their labels.
  private static func labelled(
    _ images: [ArchivedFiles.File], by files: [ArchivedFiles.File], _ archive: String
  ) throws -> [(source: ImageSource, label: Int)] {
    var labels: [[String]: Int] = [:]
    let numbered = Set(files.filter { $0.name.lowercased().hasSuffix(".cls") }.map { key(of: $0.path) })
    for file in files {
      // A description beside a label may say other things only.
      if file.name.lowercased().hasSuffix(".json"), numbered.contains(key(of: file.path)), label(file) == nil
      {
        continue
      }
      guard let label = Self.label(file) else {
        let isJSON = file.name.lowercased().hasSuffix(".json")
        throw ForeignFileError(
          defect: .malformed, file: "\(archive): \(file.name)", offset: nil,
          expected: "the number of a class, from 0 to \(largestLabel)\(isJSON ? ", in JSON as 'label'" : "")",
          found: "'\(shortened(String(decoding: file.bytes.prefix(160), as: UTF8.self), to: 40))'",
          hint: isJSON
            ? "write a 'label' into each .json, or tar --exclude='*.json' for classes by folders"
            : "write the archive again")
      }
      guard labels.updateValue(label, forKey: key(of: file.path)) ?? label == label else {
        throw ForeignFileError(
          defect: .malformed, file: "\(archive): \(file.name)", offset: nil,
          expected: "one label for each image",
          found: "another one beside it", hint: "write the archive again")
      }
    }
    return try images.map { image in
      guard let label = labels[key(of: image.path)] else {
        throw ForeignFileError(
          defect: .malformed, file: "\(archive): \(image.name)", offset: nil,
          expected: "a label beside each image, as '\(key(of: image.path).joined(separator: "/")).cls'",
          found: "none", hint: "write the archive again, or leave out the labels for classes by folders")
      }
      return (image.source(in: archive), label)
    }
  }

  private static func label(_ file: ArchivedFiles.File) -> Int? {
    struct Description: Decodable { var label: Int }
    let bytes = [UInt8](file.bytes.prefix(1 << 20))
    let number =
      file.name.lowercased().hasSuffix(".cls")
      ? integer(String(decoding: bytes, as: UTF8.self))
      : (try? decodeStrictJSON(Description.self, from: bytes))?.label
    return number.flatMap { 0...largestLabel ~= $0 ? $0 : nil }
  }

  /// The one word of a text, with white space around it.
  private static func integer(_ text: String) -> Int? {
    let words = text.split(whereSeparator: \.isWhitespace)
    return words.count == 1 ? Int(words[0]) : nil
  }

  /// What the files of one image have in common: the path up to the first dot of the name.
  private static func key(of path: [String]) -> [String] {
    path.dropLast() + [
      String(decoding: path[path.count - 1].utf8.prefix { $0 != UInt8(ascii: ".") }, as: UTF8.self)
    ]
  }

  private static func isImage(_ path: [String]) -> Bool {
    let name = path[path.count - 1].lowercased()
    return ImageFolder.suffixes.contains { name.hasSuffix($0) }
  }

  private static func isLabel(_ path: [String]) -> Bool {
    [".cls", ".json"].contains { path[path.count - 1].lowercased().hasSuffix($0) }
  }

  private static func foreignEndings(of paths: [[String]]) -> [String: Int] {
    let endings = paths.compactMap { path in
      ImageFolder.foreignSuffixes.first { path[path.count - 1].lowercased().hasSuffix($0) }
    }
    return Dictionary(endings.map { ($0, 1) }) { $0 + $1 }
  }

  private static func stem(of archive: String) -> String {
    let name = archive.split(separator: "/").last.map(String.init) ?? archive
    return String(name.prefix { $0 != "." })
  }
}

extension ArchivedFiles.File {
  fileprivate func source(in archive: String) -> ImageSource {
    .member(name: "\(archive): \(name)", bytes: bytes)
  }
}
