import ForeignFiles
import StreamFormat

/// One part of a checkpoint, such as `model` or `ema`: its tensors by the names that the model gives them.
struct CheckpointPart {
  /// The part's name; empty where the whole file is taken.
  let name: String
  /// Names in the file by the names within the part.
  private(set) var names: [String: String] = [:]
  let weights: ForeignWeights

  /// The first of some parts that is in the file; an empty name is the whole.
  /// - Throws: ``ForeignFileError`` where none is there, or where two tensors would have one name.
  init(_ weights: ForeignWeights, among parts: [String], isChosen: Bool) throws {
    let wanted = parts.first { part in part.isEmpty || weights.names.contains { $0.hasPrefix(part + ".") } }
    guard let part = wanted, !weights.names.isEmpty else {
      throw ForeignFileError(
        defect: .malformed, file: weights.file, offset: nil,
        expected: isChosen ? "a part '\(parts[0])' with tensors" : "tensors",
        found: weights.names.isEmpty ? "none" : "tensors " + weights.names.prefix(6).joined(separator: ", "),
        hint: "check that this is a weights file and what its parts are called")
    }
    (name, self.weights) = (part, weights)
    let prefix = part.isEmpty ? "" : part + "."
    for stored in weights.names where stored.hasPrefix(prefix) && !Self.isBuffer(stored) {
      try add(Self.withoutWrappers(String(stored.dropFirst(prefix.count))), stored)
    }
    // `module` is a part of DeepSpeed's files, and a wrapper where tensors stand in a file without parts.
    if part == "module" {
      for stored in weights.names where !stored.hasPrefix(prefix) {
        if let other = names[stored] { throw conflict(other, stored) }
      }
    }
  }

  /// The names in the file by other names; what has none is left out.
  /// - Throws: ``ForeignFileError`` where two tensors would have one name.
  func renamed(_ newName: (String) -> String?) throws -> [String: String] {
    var result: [String: String] = [:]
    for (name, stored) in names {
      guard let new = newName(name) else { continue }
      if let other = result.updateValue(stored, forKey: new) { throw conflict(other, stored) }
    }
    return result
  }

  private mutating func add(_ name: String, _ stored: String) throws {
    if let other = names.updateValue(stored, forKey: name) { throw conflict(other, stored) }
  }

  /// Names that distributed and compiled training put in front, in any order and number.
  private static func withoutWrappers(_ name: String) -> String {
    var name = Substring(name)
    while let wrapper = ["module.", "_orig_mod."].first(where: { name.hasPrefix($0) }) {
      name = name.dropFirst(wrapper.count)
    }
    return String(name)
  }

  /// Tables that a model makes for itself, and that some checkpoints hold beside its parameters.
  private static func isBuffer(_ name: String) -> Bool {
    let parts = name.split(separator: ".")
    return parts.contains { ["freqs_cis", "kv_cache", "causal_mask"].contains($0) }
  }

  private func conflict(_ a: String, _ b: String) -> ForeignFileError {
    ForeignFileError(
      defect: .malformed, file: weights.file, offset: nil, expected: "each parameter once",
      found: "both '\(a)' and '\(b)', which are one parameter's names",
      hint: "save one of them only, or choose a part with --part")
  }
}
