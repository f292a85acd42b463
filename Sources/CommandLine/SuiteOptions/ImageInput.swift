import Datasets
import ForeignFiles
import FoundationEssentials
import Glibc
import Images
import StreamFormat
import ToolRuntime

extension ToolSession {
  /// The images that an input names: those of a folder, a zip or tar archive, an `.npz` or `.npy` array, a table `.csv`, or a
  /// list on standard input, where an archive or an array, but no table, may come too. None is decoded yet.
  /// - Parameter classCount: of classes that are numbers, how many there are; nil for the largest and one.
  /// - Throws: `ImageError`, `ForeignFileError`, `StreamError`; ``ToolError`` where the run would write over one of them.
  public func listImages(_ input: InputPath, classCount: Int? = nil) throws -> ImageListing {
    let listing = try imagesAsStored(input, classCount)
    warnOfPassedOver(listing, in: input.path)
    if let classCount,
      listing.classNames.count != classCount || listing.classNames.last != "\(classCount - 1)"
    {
      throw ToolError(
        .badData, input.path, expected: "classes that are numbers, for --classes \(classCount)",
        found: "the names "
          + shortened(listing.classNames.map { visible($0) }.joined(separator: ", "), to: 120),
        try: "without --classes")
    }
    try requireNoOutput(among: listing.entries.lazy.compactMap { $0.source.path.map { "\($0)" } })
    return listing
  }

  private func imagesAsStored(_ input: InputPath, _ classCount: Int?) throws -> ImageListing {
    var isFolder = false
    let isThere = FileManager.default.fileExists(atPath: input.path, isDirectory: &isFolder)
    if !input.isStandardInput, !isThere || isFolder {
      recordInput(name: input.path)
      let listing = try ImageFolder.list(input.path)
      warnOfFoldersInClasses(listing, in: input.path)
      return listing
    }
    let source = try PeekedSource(open(input), count: 512)
    try requireUncompressed(source.peeked, of: input, expected: "images")
    if source.peeked.isEmpty, !input.isStandardInput {
      throw ToolError(
        .badData, input.path,
        expected: "images",
        found: "an empty file",
        try: "another file")
    }
    switch ImageFileForm(source.peeked, of: input) {
    case .array: return try ImageListing(array: MappedFile(source), classCount: classCount)
    case .archive: return try ImageListing(archive: MappedFile(source), classCount: classCount)
    case .table:
      let folder = FilePath(parentFolder(of: input.path))
      return try ImageListing(csv: source.readAll(), name: input.path, folder: folder, classCount: classCount)
    case .list: return try ImageListing(list: source.readAll(), name: "standard input")
    case nil:
      let isCompressed = [".tar.zst", ".tzst"].contains { input.path.lowercased().hasSuffix($0) }
      throw ToolError(
        .noInput, input.path,
        expected: "a folder of images, a zip or tar archive, an .npz or .npy array, or a table .csv",
        found: isCompressed ? "an archive that is compressed as a whole" : "another file",
        try: isCompressed ? "zstd -d, and the archive as it was" : "tar cf images.tar FOLDER")
    }
  }

  /// Tells of a folder around the folder of classes, as an archive leaves one where it is unpacked: its folders would be the
  /// classes, and those in them are not.
  private func warnOfFoldersInClasses(_ listing: ImageListing, in folder: String) {
    let prefix = folder.utf8.count + (folder.hasSuffix("/") ? 0 : 1)
    let depths = listing.entries.lazy.compactMap { $0.source.path?.bytes.dropFirst(prefix) }.map { path in
      path.count { $0 == UInt8(ascii: "/") }
    }
    guard listing.classNames.count <= 3, let least = depths.min(), least > 1 else { return }
    let names = listing.classNames.map { "'\($0)'" }.joined(separator: ", ")
    warn(
      "warning: \(folder): all images lie in folders below the classes, which are \(names); if those folders are the classes, "
        + "give \(folder.hasSuffix("/") ? folder : folder + "/")\(listing.classNames[0])")
  }

  /// Tells of images that are in formats that are not read: a data set may be smaller than it seems.
  public func warnOfPassedOver(_ listing: ImageListing, in folder: String) {
    let count = listing.passedOver.values.reduce(0, +)
    guard count > 0 else { return }
    let kinds = listing.passedOver.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }
    warn(
      "\(folder): expected PNG and JPEG images; found \(count) of other formats, passed over: "
        + "\(kinds.joined(separator: ", ")); try: convert them")
  }
}

/// In which form a file holds images, or names them.
public enum ImageFileForm {
  case array, archive, table, list

  /// Nil of a file that does neither.
  public init?(_ start: [UInt8], of input: InputPath) {
    let path = input.path.lowercased()
    if start.starts(with: NumPyHeader.start) || path.hasSuffix(".npz")
      || NumPyArchive.isArchive(start)
    {
      self = .array
    } else if ArchiveReader.isArchive(start) || ArchiveReader.isTarArchive(start) {
      self = .archive
    } else if path.hasSuffix(".csv") {
      self = .table
    } else if input.isStandardInput {
      self = .list
    } else {
      return nil
    }
  }
}
