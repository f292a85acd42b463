import Glibc

/// Folders of images on disk.
public enum ImageFolder {
  /// The endings, in any case, of the files that count as images.
  public static let suffixes = [".png", ".jpg", ".jpeg"]

  /// The images under a folder. If it holds folders, each is a class, with every image below it at any depth; if it
  /// holds images, they are one class named after the folder. Classes and paths are sorted by their bytes; hidden
  /// files and folders are passed over; symbolic links are followed.
  ///
  /// Throws `ImageError.notFound`, `.unreadable`, `.noImages`, `.emptyClass` and `.mixedFolder`.
  public static func list(_ path: String) throws(ImageError) -> ImageListing {
    let root = try Folder(path, expected: "a folder of images")
    let classes = root.folders
    if classes.isEmpty {
      if root.images.isEmpty { throw .noImages(folder: path) }
      let entries = root.images.map { ImageListing.Entry(path: root.join($0), label: 0) }
      return ImageListing(classNames: [ownName(of: path)], entries: entries)
    }
    if let image = root.images.first {
      throw .mixedFolder(folder: path, image: image, subfolder: classes[0])
    }
    var entries: [ImageListing.Entry] = []
    var empty: String?
    for (label, name) in classes.enumerated() {
      let found = try images(below: root.join(name), within: [root.identity])
      if found.isEmpty { empty = empty ?? root.join(name) }
      entries += found.map { ImageListing.Entry(path: $0, label: label) }
    }
    if entries.isEmpty { throw .noImages(folder: path) }
    if let empty { throw .emptyClass(folder: empty) }
    return ImageListing(classNames: classes, entries: entries)
  }

  private static func images(
    below path: String, within ancestors: [Folder.Identity]
  ) throws(ImageError) -> [String] {
    let folder = try Folder(path, expected: "a folder of images")
    if ancestors.contains(folder.identity) {
      throw .unreadable(file: path, reason: "a symbolic link to a folder that contains it")
    }
    var paths = folder.images.map(folder.join)
    for name in folder.folders {
      paths += try images(below: folder.join(name), within: ancestors + [folder.identity])
    }
    return sortedByBytes(paths)
  }

  private static func ownName(of path: String) -> String {
    guard let resolved = realpath(path, nil) else { return "images" }
    defer { free(resolved) }
    return String(cString: resolved).split(separator: "/").last.map(String.init) ?? "images"
  }
}

/// One folder's visible entries, sorted by bytes.
private struct Folder {
  struct Identity: Equatable {
    var device: dev_t
    var node: ino_t
  }

  let path: String
  let identity: Identity
  private(set) var images: [String] = []
  private(set) var folders: [String] = []

  init(_ path: String, expected: String) throws(ImageError) {
    self.path = path
    guard let stream = opendir(path) else { throw systemError(path, expected: expected) }
    defer { closedir(stream) }
    var status = stat()
    guard fstat(dirfd(stream), &status) == 0 else { throw systemError(path, expected: expected) }
    identity = Identity(device: status.st_dev, node: status.st_ino)
    for name in try Self.names(in: stream, path) where !name.hasPrefix(".") {
      guard stat(join(name), &status) == 0 else {
        if Self.isImage(name) { images.append(name) }
        continue
      }
      if status.st_mode & S_IFMT == S_IFDIR {
        folders.append(name)
      } else if Self.isImage(name) {
        images.append(name)
      }
    }
  }

  func join(_ name: String) -> String {
    path.hasSuffix("/") ? path + name : path + "/" + name
  }

  private static func isImage(_ name: String) -> Bool {
    let lowercased = name.lowercased()
    return ImageFolder.suffixes.contains { lowercased.hasSuffix($0) }
  }

  private static func names(in stream: OpaquePointer, _ path: String) throws(ImageError) -> [String] {
    var names: [String] = []
    while true {
      errno = 0
      guard let entry = readdir(stream) else { break }
      let name = withUnsafeBytes(of: &entry.pointee.d_name) {
        String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
      }
      names.append(name)
    }
    if errno != 0 { throw systemError(path, expected: "a folder of images") }
    return sortedByBytes(names)
  }
}
