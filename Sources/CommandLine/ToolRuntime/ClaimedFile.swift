import FoundationEssentials
import Glibc
import StreamFormat

/// A file that a run reads or writes, as its command line names it.
public struct ClaimedFile: Sendable {
  /// What the run does with a file.
  public enum Role: Sendable {
    /// It is read. A folder may be, and a pipe.
    case input
    /// A product takes its place. A pipe or a character device is written to as it stands.
    case output
    /// A product that is made on the way takes its place. Nobody may be there to read from a pipe.
    case savedModel
    /// It is created, or an empty folder is filled.
    case folder
    /// It is written many times and removed at the end, so that it must be this run's own.
    case checkpoint
    /// Lines are added to it.
    case log
  }

  let name: String
  let path: String
  let role: Role

  /// - Parameter name: what the command line calls it, such as `--output`.
  public init(name: String, path: String, role: Role) {
    (self.name, self.path, self.role) = (name, path, role)
  }
}

/// A value of an option or argument that names a file. A tool whose files have such types need not list them:
/// ``Tool/main()`` finds them in the parsed command line, and refuses what would destroy a file.
public protocol FileNaming {
  /// The path as the user gave it.
  var path: String { get }
  /// What a run does with the file.
  var role: ClaimedFile.Role { get }
}

extension ClaimedFile {
  /// The files that a parsed command line names, in the order of its declarations.
  ///
  /// The parser keeps values in property wrappers and those of groups in wrappers again; the values are found by
  /// looking into all of them, so that no tool can forget one.
  static func all(in command: Any) -> [ClaimedFile] {
    find(in: command, name: "", depth: 0)
  }

  private static func find(in value: Any, name: String, depth: Int) -> [ClaimedFile] {
    if let file = value as? any FileNaming {
      return [ClaimedFile(name: name, path: file.path, role: file.role)]
    }
    guard depth < 24 else { return [] }
    return Mirror(reflecting: value).children.flatMap { child in
      find(in: child.value, name: optionName(child, otherwise: name), depth: depth + 1)
    }
  }

  /// `--coarse-output` for the wrapper of `coarseOutput`; an argument has its name alone.
  private static func optionName(_ child: Mirror.Child, otherwise name: String) -> String {
    guard let label = child.label, label.hasPrefix("_"), label != "_parsedValue" else { return name }
    let words = label.dropFirst().reduce("") { $0 + ($1.isUppercase ? "-" + $1.lowercased() : String($1)) }
    let isArgument = String(describing: type(of: child.value)).hasPrefix("Argument<")
    return isArgument ? words : "--" + words
  }
}

/// The files of a run, each for one purpose: nothing that is read or written under one name is written under another.
final class FileClaims {
  private struct Claim {
    let file: ClaimedFile
    let identity: FileIdentity
    let kind: FileIdentity.Kind
  }

  private var claims: [Claim] = []

  /// Adds a file, before anything of it is opened.
  /// - Throws: ``ToolError`` for a file that has another purpose already, or that cannot serve this one.
  func add(_ file: ClaimedFile) throws {
    if claims.contains(where: { $0.file.isSame(as: file) }) { return }
    guard let (identity, kind) = Self.look(at: file) else { return }
    try Self.require(kind, for: file)
    for other in claims where other.identity == identity {
      try Self.requireCompatible(other.file, file, kind)
    }
    let claim = Claim(file: file, identity: identity, kind: kind)
    for other in claims { try Self.requireApart(other, claim) }
    claims.append(claim)
  }

  /// Stops if one of the files, which are read, is an output of this run too.
  /// - Throws: ``ToolError``.
  func requireNoOutput(among inputs: some Sequence<String>) throws {
    let outputs = claims.filter { $0.file.role != .input && $0.kind == .regular }
    if outputs.isEmpty { return }
    for path in inputs {
      let identity = FileIdentity.of(path: path).identity
      guard let output = outputs.first(where: { $0.identity == identity }) else { continue }
      throw Self.clash(output.file, ClaimedFile(name: "an input", path: path, role: .input))
    }
  }

  var hasNamedOutput: Bool {
    claims.contains { [.output, .folder].contains($0.file.role) && $0.file.path != "-" }
  }

  /// Standard streams matter only where the shell has connected them to a file.
  private static func look(at file: ClaimedFile) -> (identity: FileIdentity, kind: FileIdentity.Kind)? {
    guard file.path == "-", [.input, .output].contains(file.role) else {
      return FileIdentity.of(path: file.path)
    }
    let descriptor = file.role == .input ? STDIN_FILENO : STDOUT_FILENO
    guard let stream = FileIdentity.of(descriptor: descriptor), stream.kind == .regular else { return nil }
    return stream
  }

  private static func requireCompatible(
    _ old: ClaimedFile, _ new: ClaimedFile, _ kind: FileIdentity.Kind
  ) throws {
    // What is written to a terminal or to /dev/null destroys nothing.
    if kind == .characterDevice || (old.role == .input && new.role == .input) { return }
    throw clash(old, new)
  }

  /// A new folder appears whole, at the end: no other file can be created in it before.
  private static func requireApart(_ old: Claim, _ new: Claim) throws {
    for (folder, other) in [(old, new), (new, old)]
    where folder.file.role == .folder && other.file.role != .input && other.file.path != "-" {
      guard isPlace(other.file.path, in: folder.identity) else { continue }
      throw ToolError(
        .usage, other.file.path,
        expected: "a place outside of \(folder.file.words), which must be a new folder",
        found: "one in it",
        try: "another name")
    }
  }

  private static func isPlace(_ path: String, in folder: FileIdentity) -> Bool {
    var place = parentFolder(of: path)
    while place != ".", place != "/" {
      if FileIdentity.of(path: place).identity == folder { return true }
      place = parentFolder(of: place)
    }
    return false
  }

  private static func clash(_ old: ClaimedFile, _ new: ClaimedFile) -> ToolError {
    ToolError(
      .usage, new.path,
      expected: "different files for \(old.words) and \(new.words)",
      found: "one file",
      try: "another name")
  }

  private static func require(_ kind: FileIdentity.Kind, for file: ClaimedFile) throws {
    switch (file.role, kind) {
    case (.input, _), (_, .new), (.output, .regular), (.output, .pipe), (.output, .characterDevice),
      (.savedModel, .regular), (.checkpoint, .regular), (.folder, .folder):
      return
    case (.log, .regular): try requireLog(file.path)
    case (.output, .folder), (.savedModel, .folder), (.checkpoint, .folder), (.log, .folder):
      throw StreamError.cannotCreate(file: file.path, errno: EISDIR)
    case (.folder, _):
      throw ToolError(
        .cannotCreate, file.path,
        expected: "a new or empty folder",
        found: "\(kind.words)",
        try: "another name")
    default:
      throw ToolError(
        .cannotCreate, file.path,
        expected: "a file or a new name for \(file.words)",
        found: "\(kind.words)",
        try: "another name")
    }
  }

  /// A log is begun anew, so that a file of another kind would be lost to a slip of the hand.
  private static func requireLog(_ path: String) throws {
    guard let file = fopen(path, "re") else { return }
    defer { fclose(file) }
    let first = getc(file)
    guard first != EOF, first != Int32(UInt8(ascii: "{")) else { return }
    throw ToolError(
      .cannotCreate, path,
      expected: "a log, which is lines of JSON objects, or a new name for --log",
      found: "another file",
      try: "another name")
  }
}

extension ClaimedFile {
  /// The same file for the same purpose, looked at again.
  fileprivate func isSame(as other: ClaimedFile) -> Bool {
    path == other.path && role == other.role && (name == other.name || other.name.isEmpty)
  }

  fileprivate var words: String {
    if !name.isEmpty { return name }
    switch role {
    case .input: return "an input"
    case .output, .folder: return "an output"
    case .savedModel: return "a saved model"
    case .checkpoint: return "the checkpoint"
    case .log: return "--log"
    }
  }
}
