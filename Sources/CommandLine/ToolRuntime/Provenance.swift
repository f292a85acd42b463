import FoundationEssentials
import Glibc
import StreamFormat

/// How a file came to be: one entry for each tool it went through, oldest first.
public struct Provenance: Equatable, Sendable {
  /// An input, by name and hash.
  public struct Input: Codable, Equatable, Sendable {
    /// The path as the user gave it; "-" for a pipe.
    public var name: String
    /// SHA-256 of its bytes before the run, in hexadecimal; nil for a pipe or a folder.
    public var sha256: String?

    public init(name: String, sha256: String?) {
      self.name = name
      self.sha256 = sha256
    }

    /// Encodes both keys, with null if there is no hash.
    public func encode(to encoder: Encoder) throws {
      var container = encoder.container(keyedBy: CodingKeys.self)
      try container.encode(name, forKey: .name)
      // An explicit null shows that there is no hash; a missing key could be a mistake.
      try container.encode(sha256, forKey: .sha256)
    }
  }

  /// One run of a tool.
  public struct Entry: Codable, Equatable, Sendable {
    public var tool: String
    public var version: String
    /// The command line without the tool's name.
    public var arguments: [String]
    public var seed: UInt64
    public var threads: Int
    /// Its inputs in the order in which it opened them.
    public var inputs: [Input]
    /// Everything that decided what it computed, for a tool that trains.
    public var settings: JSONValue?

    /// A run.
    public init(
      tool: String, version: String, arguments: [String], seed: UInt64, threads: Int, inputs: [Input],
      settings: JSONValue? = nil
    ) {
      self.tool = tool
      self.version = version
      self.arguments = arguments
      self.seed = seed
      self.threads = threads
      self.inputs = inputs
      self.settings = settings
    }
  }

  /// The metadata key of the chain.
  public static let key = "provenance"

  /// The runs, oldest first.
  public var entries: [Entry]

  public init(entries: [Entry] = []) {
    self.entries = entries
  }

  /// The chain in a record's metadata; empty if it has none.
  /// - Throws: ``FormatError`` (badMetadata) if it is no such chain.
  public init(_ record: Record) throws {
    entries = record.metadata[Self.key] == nil ? [] : try record.jsonMetadata(Self.key)
  }

  /// Joins the chains of several inputs: entries that two of them share appear once.
  public mutating func merge(_ other: Provenance) {
    entries += other.entries.filter { !entries.contains($0) }
  }

  /// The chain as the metadata string.
  public var json: String {
    guard let text = try? sortedJSON(entries) else { preconditionFailure("such entries always encode") }
    return text
  }
}
