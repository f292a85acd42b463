/// A tensor and its name in a pickle.
typealias NamedPickleTensor = (name: String, tensor: PickleTensor)

/// A plain value among the settings that a checkpoint was trained with.
public enum SettingValue: Equatable, Sendable {
  case integer(Int)
  case number(Double)
  case text(String)
  case bool(Bool)

  init?(_ value: PickleValue) {
    switch value {
    case .integer(let value): self = .integer(value)
    case .number(let value): self = .number(value)
    case .string(let value): self = .text(value)
    case .bool(let value): self = .bool(value)
    default: return nil
    }
  }
}

/// The tensors in a value, by names that join the keys on the way with dots; places in lists count as keys.
struct PickledTensors {
  private(set) var tensors: [NamedPickleTensor] = []
  /// The plain values among a checkpoint's `args`, by their names.
  private(set) var arguments: [String: SettingValue] = [:]
  private var visits = 0
  private var nameBytes = 0
  private let cursor: ByteCursor
  // Far beyond any real file, and small enough for values that refer to one another in rings or many times.
  private static let deepest = 12
  private static let longestKey = 256
  private static let mostVisits = 1 << 20
  private static let mostTensors = 100_000
  private static let mostNameBytes = 1 << 24

  init(_ value: PickleValue, _ cursor: ByteCursor) throws {
    self.cursor = cursor
    try visit(value, name: "", depth: 0)
  }

  private mutating func visit(_ value: PickleValue, name: String, depth: Int) throws {
    try countVisit()
    guard depth <= Self.deepest else { return }
    switch value {
    case .tensor(let tensor): try add(tensor, name)
    case .array(let array):
      if let tensor = array.tensor { try add(tensor, name) }
    case .tuple(let items, _): try visit(items, name, depth)
    case .list(let list): try visit(list.items, name, depth)
    case .dictionary(let dictionary):
      for (key, value) in dictionary.entries {
        guard let text = key.asString ?? key.asInteger.map({ String($0) }), text.utf8.count <= Self.longestKey
        else {
          // Many dictionaries may have the same many entries.
          try countVisit()
          continue
        }
        if name == "args" { arguments[text] = SettingValue(value) }
        try visit(value, name: name.isEmpty ? text : name + "." + text, depth: depth + 1)
      }
    default: break
    }
  }

  private mutating func add(_ tensor: PickleTensor, _ name: String) throws {
    // Names repeat the keys above them, so that they may take far more than the pickle.
    nameBytes += name.utf8.count
    guard nameBytes <= Self.mostNameBytes else {
      throw cursor.error(
        .tooLarge, expected: "names of at most \(Self.mostNameBytes) bytes together", found: "more",
        hint: "save the weights alone")
    }
    tensors.append((name, tensor))
  }

  private mutating func countVisit() throws {
    visits += 1
    guard visits <= Self.mostVisits, tensors.count < Self.mostTensors else {
      throw cursor.error(
        .tooLarge, expected: "at most \(Self.mostTensors) tensors among \(Self.mostVisits) values",
        found: "more",
        hint: "save the weights alone")
    }
  }

  private mutating func visit(_ items: [PickleValue], _ name: String, _ depth: Int) throws {
    for (index, item) in items.enumerated() {
      try visit(item, name: name.isEmpty ? "\(index)" : "\(name).\(index)", depth: depth + 1)
    }
  }
}
