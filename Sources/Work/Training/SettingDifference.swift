import FoundationEssentials
import StreamFormat

/// Where the settings of a checkpoint and those of a run differ: the innermost entry, such as
/// `training.schedule.peak`, so that an error need not show all of them.
struct SettingDifference {
  let name: String
  let checkpoint: String
  let now: String

  /// The first difference, in the order of names; nil for equal settings.
  /// - Parameter checkpoint: a JSON object, as `now` is.
  init?(checkpoint: String, now: String) {
    var (saved, current) = (SettingValue(object: checkpoint), SettingValue(object: now))
    guard Self.text(saved) != Self.text(current) else { return nil }
    var names: [String] = []
    while case .object(let old) = saved, case .object(let new) = current,
      let key = Self.firstDifference(old, new)
    {
      names.append(key)
      (saved, current) = (old[key], new[key])
    }
    name = shortened(names.joined(separator: "."), to: 80)
    self.checkpoint = shortened(Self.text(saved), to: 120)
    self.now = shortened(Self.text(current), to: 120)
  }

  private static func firstDifference(
    _ old: [String: SettingValue], _ new: [String: SettingValue]
  ) -> String? {
    Set(old.keys).union(new.keys).sorted().first { text(old[$0]) != text(new[$0]) }
  }

  private static func text(_ value: SettingValue?) -> String { value?.text ?? "not given" }
}

/// A value of settings in JSON.
enum SettingValue: Decodable {
  case object([String: SettingValue])
  case list([SettingValue])
  /// A number, a truth value, a string or null, as JSON writes it.
  case plain(String)

  /// The JSON object that a text is, or nil.
  init?(object text: String) {
    guard let value = try? JSONDecoder().decode(SettingValue.self, from: Data(text.utf8)),
      case .object = value
    else { return nil }
    self = value
  }

  init(from decoder: Decoder) throws {
    let container = try decoder.singleValueContainer()
    if let object = try? container.decode([String: SettingValue].self) {
      self = .object(object)
    } else if let list = try? container.decode([SettingValue].self) {
      self = .list(list)
    } else if let truth = try? container.decode(Bool.self) {
      self = .plain("\(truth)")
    } else if let integer = try? container.decode(Int.self) {
      self = .plain("\(integer)")
    } else if let integer = try? container.decode(UInt64.self) {
      self = .plain("\(integer)")
    } else if let number = try? container.decode(Double.self) {
      self = .plain("\(number)")
    } else if let string = try? container.decode(String.self) {
      self = .plain(Self.quoted(string))
    } else {
      self = .plain("null")
    }
  }

  /// As JSON writes it, with sorted names.
  var text: String {
    switch self {
    case .object(let values):
      "{"
        + values.sorted { $0.key < $1.key }.map { "\(Self.quoted($0.key)):\($0.value.text)" }.joined(
          separator: ",")
        + "}"
    case .list(let values): "[" + values.map(\.text).joined(separator: ",") + "]"
    case .plain(let text): text
    }
  }

  private static func quoted(_ string: String) -> String {
    (try? JSONEncoder().encode(string)).map { String(decoding: $0, as: UTF8.self) } ?? "\"\(string)\""
  }
}
