import FoundationEssentials
import Glibc
import StreamFormat

/// The most memory that this process can have, whatever else runs beside it.
public struct MemoryLimit: Equatable, Sendable {
  /// How much, in bytes.
  public let bytes: Double
  /// What grants no more, in words.
  public let reason: String

  /// The smallest of the memory and swap of the machine, the limits of all cgroups that the process is in, and the limit of
  /// its address space (`ulimit -v`). Nil where none of them is known.
  /// - Parameter root: Where `/proc` and `/sys` are found.
  public static func current(root: String = "") -> MemoryLimit? {
    ([machine(root: root), addressSpace()] + groups(root: root)).compactMap { $0 }.min { $0.bytes < $1.bytes }
  }

  /// The share of each of `count` processes of a run.
  func shared(by count: Int) -> MemoryLimit {
    count == 1
      ? self : MemoryLimit(bytes: bytes / Double(count), reason: "is the share of each of \(count) ranks")
  }

  /// `MemTotal` and `SwapTotal` of /proc/meminfo, in kB.
  private static func machine(root: String) -> MemoryLimit? {
    let text = (try? String(contentsOfFile: "\(root)/proc/meminfo", encoding: .utf8)) ?? ""
    func kilobytes(_ name: String) -> Double? {
      let line = text.split(separator: "\n").first { $0.hasPrefix(name + ":") }
      return line?.split(separator: " ").dropFirst().first.flatMap { Double($0) }
    }
    guard let memory = kilobytes("MemTotal") else { return nil }
    return MemoryLimit(bytes: (memory + (kilobytes("SwapTotal") ?? 0)) * 1024, reason: "the machine has")
  }

  private static func groups(root: String) -> [MemoryLimit] {
    ControlGroups.folders("memory", root: root).compactMap { folder in
      folder.number(folder.version == 2 ? "memory.max" : "memory.limit_in_bytes")
    }.map { MemoryLimit(bytes: $0, reason: "the cgroup of this process may use") }
  }

  private static func addressSpace() -> MemoryLimit? {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit) == 0, limit.rlim_cur < rlim_t.max
    else { return nil }
    return MemoryLimit(bytes: Double(limit.rlim_cur), reason: "'ulimit -v' leaves")
  }
}

/// What a step of a run needs at least, by purpose. Estimates are numbers with a fraction: sizes that a user asks for may
/// have products that no integer holds.
public struct MemoryEstimate: Sendable {
  /// A purpose, such as "the weights", and its bytes.
  public typealias Part = (purpose: String, bytes: Double)
  /// The parts, which are in memory at the same time.
  public let parts: [Part]
  /// What a user can change.
  public let advice: String

  /// An estimate of some parts.
  public init(_ parts: [Part], advice: String) { (self.parts, self.advice) = (parts, advice) }

  /// Reading a record, and making a model of it in float32 where it has one.
  init(toRead record: RecordSummary, from file: String) {
    let bytes = record.tensors.reduce(0) { $0 + Double($1.byteCount) }
    let numbers = record.tensors.reduce(0) { $0 + Double($1.byteCount / $1.elementType.byteCount) }
    let kind = record.metadata["kind"].flatMap { FileKind(rawValue: $0) }
    let isModel =
      kind.map { [FileKind.tokenizer, .arModel, .fineModel, .varModel, .network].contains($0) } ?? false
    // The images that are held out are drawn among all of the whole, of which a shard may claim any number.
    let shard = kind == .tokens ? try? record.withoutTensors.shard() : nil
    let places = shard.map { 24 * Double($0.total) }
    self.init(
      [("the contents of \(file)", bytes)] + (isModel ? [("the model in float32", 4 * numbers)] : [])
        + (places.map { [("the places of all shards' images", $0)] } ?? []),
      advice: "a machine with more memory, or a smaller file")
  }

  /// All parts together, in bytes.
  public var bytes: Double { parts.reduce(0) { $0 + $1.bytes } }

  /// "the weights 444 MB, a batch of 8 1.2 GB".
  var partsInWords: String { parts.map { "\($0.purpose) \(inWords($0.bytes))" }.joined(separator: ", ") }
}

extension ToolSession {
  /// Stops, before it is asked for, if memory is needed that this process cannot have.
  /// - Throws: ``ToolError`` (failed).
  public func requireMemory(
    _ estimate: MemoryEstimate, limit: MemoryLimit? = nil
  ) throws {
    if estimate.bytes > largestEstimate?.bytes ?? 0 { largestEstimate = estimate }
    guard let limit = limit ?? memory, estimate.bytes > limit.bytes else { return }
    throw ToolError(
      .failed, "memory",
      expected: "a need of at most \(inWords(limit.bytes)), which \(limit.reason)",
      found: "a need of at least \(inWords(estimate.bytes)) (\(estimate.partsInWords))",
      try: "\(estimate.advice)")
  }
}

/// A number of bytes with two or three digits: "830 MB", "6.2 GB", "41 TB".
func inWords(_ bytes: Double) -> String {
  let units: [(String, Double)] = [("TB", 1e12), ("GB", 1e9), ("MB", 1e6)]
  let (unit, size) = units.first { bytes >= $0.1 } ?? ("kB", 1e3)
  return printed(bytes / size < 9.95 ? "%.1f" : "%.0f", bytes / size) + " \(unit)"
}

/// The largest resident size of this process, in millions of bytes.
func peakMegabytes() -> Double {
  var usage = rusage()
  getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
  return Double(usage.ru_maxrss) * 1024 / 1e6
}
