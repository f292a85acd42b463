import Foundation

/// A mutated file with which something went wrong.
public struct Finding: Sendable, Equatable {
  public let kind: FuzzKind
  public let seed: UInt64
  public let number: Int
  /// What went wrong, in words.
  public let fault: String
  /// The command, if a tool failed.
  public var command: [String]?
}

/// The folder of the findings: for each its input and a text.
public struct FindingFolder: Sendable {
  public let url: URL

  public init(_ url: URL) throws {
    self.url = url
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
  }

  /// Writes a finding and its input.
  public func add(_ finding: Finding, input: [UInt8]) throws {
    let name = "\(finding.kind.rawValue)-\(finding.seed)-\(finding.number)"
    let command = finding.command.map { "\n\($0.joined(separator: " "))" } ?? ""
    let text =
      "\(finding.fault)\(command)\ntessera-fuzz input \(finding.kind.rawValue) --seed \(finding.seed) --number \(finding.number)\n"
    try Data(input).write(to: url.appending(path: name + ".input"))
    try Data(text.utf8).write(to: url.appending(path: name + ".txt"))
  }

  /// How many inputs there are.
  public var count: Int {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: url.path)) ?? []
    return names.filter { $0.hasSuffix(".input") }.count
  }
}
