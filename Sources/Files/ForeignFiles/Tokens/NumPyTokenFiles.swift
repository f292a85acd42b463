import FoundationEssentials
import Glibc
import StreamFormat

/// A folder of `.npy` files with the codes of an image each: `INDEX.npy` beside a folder of labels of the same names, as
/// LlamaGen extracts them, or `CLASS/INDEX.npy`, as RandAR does.
public final class NumPyTokenFiles: ForeignTokenSequence {
  public let classNames: [String]
  public let classCount: Int?
  private let files: [(codes: String, label: Label)]
  private var position = 0

  private enum Label {
    case number(Int)
    case file(String)
  }

  /// Files of one folder with labels in another one.
  /// - Throws: ``ForeignFileError`` for files without a label, and for labels without codes, which were lost then.
  public init(codes: String, labels: String) throws {
    let (stems, labelled) = try (Self.stems(in: codes), Self.stems(in: labels))
    func require(_ stems: [String], in folder: String, like wanted: [String], _ expected: String) throws {
      let known = Set(stems)
      guard let missing = wanted.first(where: { !known.contains($0) }) else { return }
      throw ForeignFileError(
        defect: .malformed, file: "\(folder)/\(missing).npy", offset: nil, expected: expected,
        found: "no such file", hint: "extract codes and labels again")
    }
    try require(labelled, in: labels, like: stems, "a label for each file of \(codes)")
    try require(stems, in: codes, like: labelled, "codes for each file of \(labels)")
    (classNames, classCount) = ([], nil)
    files = stems.map { ("\(codes)/\($0).npy", .file("\(labels)/\($0).npy")) }
  }

  /// Files in folders of their classes.
  /// - Throws: ``ForeignFileError`` where there are none.
  public init(classFolders root: String) throws {
    // Programs of macOS add a folder with their own descriptions of the files.
    let folders = try Self.entries(of: root).filter { name in
      guard !name.hasPrefix("."), name != "__MACOSX" else { return false }
      let path = "\(root)/\(name)"
      // A link to nothing may stand for a class.
      guard FileManager.default.fileExists(atPath: path) else { throw StreamError.notFound(file: path) }
      return Self.isFolder(path)
    }
    let classes = try FolderClasses(folders, in: root)
    (classNames, classCount) = (classes.names, classes.count)
    // In the order of the classes.
    files = try inNumericOrder(folders).flatMap { folder in
      try Self.stems(in: "\(root)/\(folder)").map {
        ("\(root)/\(folder)/\($0).npy", Label.number(classes.number(of: folder) ?? 0))
      }
    }
    guard !files.isEmpty else { throw Self.nothing(in: root) }
  }

  /// Whether a folder has `.npy` files itself, and not only folders of them.
  public static func hasFiles(_ folder: String) throws -> Bool {
    try entries(of: folder).contains { $0.hasSuffix(".npy") }
  }

  public func next() throws -> ForeignImageTokens? {
    guard position < files.count else { return nil }
    let file = files[position]
    position += 1
    let codes = try Self.array(in: file.codes)
    switch file.label {
    case .number(let label): return try ForeignImageTokens(codes, label: label, place: file.codes)
    case .file(let path):
      let labels = try Self.array(in: path).integers()
      guard labels.count == 1 else {
        throw ForeignFileError(
          defect: .malformed, file: path, offset: nil, expected: "one label",
          found: "\(labels.count) numbers",
          hint: "extract the labels again")
      }
      return try ForeignImageTokens(codes, label: labels[0], place: file.codes)
    }
  }

  /// The files that are read, which a run must not write.
  public var paths: [String] {
    files.flatMap { file -> [String] in
      guard case .file(let labels) = file.label else { return [file.codes] }
      return [file.codes, labels]
    }
  }

  // The codes of the largest image, in a hundred views and the widest type, and NumPy's header.
  private static let largestFile = 100 * 8 * TokenHeader.maximumTokens + 1 << 16

  private static func array(in path: String) throws -> StoredTensor {
    try StoredTensor(numpyIntegers: Data(bytesOfSmallFile(path, atMost: largestFile)), file: path)
  }

  private static func stems(in folder: String) throws -> [String] {
    let visible = try entries(of: folder).filter { !$0.hasPrefix(".") }
    let deeper = try visible.first { try isFolder("\(folder)/\($0)") && hasFiles("\(folder)/\($0)") }
    if let deeper {
      throw ForeignFileError(
        defect: .malformed, file: folder, offset: nil, expected: ".npy files in this folder alone",
        found: "others in '\(deeper.prefix(80))'", hint: "move them up, or give that folder by itself")
    }
    let names = visible.filter { $0.hasSuffix(".npy") }
    return inNumericOrder(names.map { String($0.dropLast(4)) })
  }

  private static func entries(of folder: String) throws -> [String] {
    guard let stream = opendir(folder) else {
      switch errno {
      case ENOENT: throw StreamError.notFound(file: folder)
      case ENOTDIR:
        throw ForeignFileError(
          defect: .malformed, file: folder, offset: nil, expected: "a folder of .npy files", found: "a file",
          hint: "the folder whose files have the names of the codes")
      case let code: throw StreamError.cannotOpen(file: folder, errno: code)
      }
    }
    defer { closedir(stream) }
    var names: [String] = []
    while true {
      errno = 0
      guard let entry = readdir(stream) else { break }
      let bytes = withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
      guard let name = String(validating: bytes, as: UTF8.self) else {
        throw ForeignFileError(
          defect: .unsupported, file: folder, offset: nil, expected: "names in UTF-8",
          found: "'\(String(decoding: bytes, as: UTF8.self))'", hint: "rename it")
      }
      names.append(name)
    }
    if errno != 0 { throw StreamError.cannotOpen(file: folder, errno: errno) }
    return names
  }

  private static func isFolder(_ path: String) -> Bool {
    var isFolder = false
    return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) && isFolder
  }

  static func nothing(in file: String) -> ForeignFileError {
    ForeignFileError(
      defect: .malformed, file: file, offset: nil, expected: ".npy files, or folders of them for each class",
      found: "none", hint: "name the folder that holds them")
  }
}

extension StoredTensor {
  /// The array of an `.npy` file, which must be of integers.
  /// - Parameter file: what messages call it.
  /// - Throws: ``ForeignFileError``.
  init(numpyIntegers bytes: Data, file: String) throws {
    let tensor = try PickleTensor(numpy: bytes, name: file)
    guard case .bytes(let elements, let type) = tensor.source, !type.isFloatingPoint, type != .bool else {
      throw ForeignFileError(
        defect: .malformed, file: file, offset: nil, expected: "integers", found: tensor.elementType.rawValue,
        hint: "save the codes as integers, such as uint16 or int64")
    }
    self.init(name: "array", elementType: type, shape: tensor.shape, bytes: tensor.dense(from: elements))
    origin = Origin(file: file)
  }
}
