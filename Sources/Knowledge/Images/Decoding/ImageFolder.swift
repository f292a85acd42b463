import Glibc

/// Folders of images on disk.
public enum ImageFolder {
  /// The endings, in any case, of the files that count as images.
  public static let suffixes = [".png", ".jpg", ".jpeg"]
  /// The endings of images that are not read: they are passed over, and counted.
  public static let foreignSuffixes = [
    ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif", ".heic", ".jp2", ".ppm", ".tga",
  ]

  /// The images under a folder. If it holds folders, each is a class, with every image below it at any depth; if it
  /// holds images, they are one class named after the folder. Classes and paths are in the order of
  /// names; hidden files and folders are passed over; symbolic links are followed.
  ///
  /// Throws `ImageError.notFound`, `.inaccessible`, `.unsuitable`, `.unreadable`, `.noImages`, `.emptyClass`,
  /// `.sameClass` and `.mixedFolder`.
  public static func list(_ path: String) throws(ImageError) -> ImageListing {
    let root = try Folder(FilePath(path), expected: "a folder of images")
    var foreign = root.foreign
    if root.folders.isEmpty {
      if root.images.isEmpty { throw .noImages(folder: path) }
      let entries = root.images.map { ImageListing.Entry(path: root.path.appending($0), label: 0) }
      return ImageListing(classNames: [ownName(of: path)], entries: entries, passedOver: foreign)
    }
    let classes = try FolderClassNames(root.folders, in: "\(root.path)")
    if let image = root.images.first {
      throw .mixedFolder(folder: path, image: "\(image)", subfolder: classes.names[0])
    }
    var entries: [ImageListing.Entry] = []
    var empty: FilePath?
    for (label, name) in classes.folders.enumerated() {
      let folder = root.path.appending(name)
      let found = try images(below: folder, within: [root.identity], &foreign)
      if found.isEmpty { empty = empty ?? folder }
      entries += found.map { ImageListing.Entry(path: $0, label: label) }
    }
    if entries.isEmpty { throw .noImages(folder: path) }
    if let empty { throw .emptyClass(folder: "\(empty)") }
    return ImageListing(classNames: classes.names, entries: entries, passedOver: foreign)
  }

  private static func images(
    below path: FilePath, within ancestors: [Folder.Identity], _ foreign: inout [String: Int]
  ) throws(ImageError) -> [FilePath] {
    let folder = try Folder(path, expected: "a folder of images")
    if ancestors.contains(folder.identity) {
      throw .unsuitable(file: "\(path)", found: "a symbolic link to a folder that contains it")
    }
    foreign.merge(folder.foreign) { $0 + $1 }
    var paths = folder.images.map(folder.path.appending)
    for name in folder.folders {
      paths += try images(
        below: folder.path.appending(name), within: ancestors + [folder.identity], &foreign)
    }
    return paths.sorted(by: FilePath.precedes)
  }

  private static func ownName(of path: String) -> String {
    guard let resolved = realpath(path, nil) else { return "images" }
    defer { free(resolved) }
    let bytes = UnsafeBufferPointer(start: resolved, count: strlen(resolved)).map { UInt8(bitPattern: $0) }
    return bytes.split(separator: UInt8(ascii: "/")).last.map { ClassFolder.className(of: FilePath($0)) }
      ?? "images"
  }
}

/// One folder's visible entries, in the order of names.
private struct Folder {
  struct Identity: Equatable {
    var device: dev_t
    var node: ino_t
  }

  let path: FilePath
  let identity: Identity
  private(set) var images: [FilePath] = []
  private(set) var folders: [FilePath] = []
  /// Images that are not read, by their ending.
  private(set) var foreign: [String: Int] = [:]

  init(_ path: FilePath, expected: String) throws(ImageError) {
    self.path = path
    guard let stream = path.withCString({ opendir($0) }) else { throw systemError(path, expected: expected) }
    defer { closedir(stream) }
    var status = stat()
    guard fstat(dirfd(stream), &status) == 0 else { throw systemError(path, expected: expected) }
    identity = Identity(device: status.st_dev, node: status.st_ino)
    for name in try Self.names(in: stream, path) where name.bytes.first != UInt8(ascii: ".") {
      try add(name)
    }
  }

  private mutating func add(_ name: FilePath) throws(ImageError) {
    var status = stat()
    let isThere = path.appending(name).withCString { stat($0, &status) } == 0
    let code = errno
    if isThere, status.st_mode & S_IFMT == S_IFDIR {
      folders.append(name)
    } else if Self.ending(of: name, among: ImageFolder.suffixes) != nil {
      // One that cannot be looked at is an error when it is read.
      images.append(name)
    } else if !isThere {
      // It may be a class, and the classes after a missing one would have other numbers.
      errno = code
      throw systemError(path.appending(name), expected: "a file or a folder")
    } else if let suffix = Self.ending(of: name, among: ImageFolder.foreignSuffixes) {
      foreign[suffix, default: 0] += 1
    }
  }

  private static func ending(of name: FilePath, among suffixes: [String]) -> String? {
    let lowercased = name.bytes.map { (0x41...0x5A).contains($0) ? $0 + 0x20 : $0 }
    return suffixes.first { lowercased.suffix($0.utf8.count).elementsEqual($0.utf8) }
  }

  private static func names(in stream: OpaquePointer, _ path: FilePath) throws(ImageError) -> [FilePath] {
    var names: [FilePath] = []
    while true {
      errno = 0
      guard let entry = readdir(stream) else { break }
      names.append(withUnsafeBytes(of: &entry.pointee.d_name) { FilePath($0.prefix { $0 != 0 }) })
    }
    if errno != 0 { throw systemError(path, expected: "a folder of images") }
    return names.sorted(by: FilePath.precedes)
  }
}
