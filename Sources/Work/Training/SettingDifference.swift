import Foundation
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
    var (saved, current): (Any?, Any?) = (Self.object(checkpoint), Self.object(now))
    guard Self.text(saved) != Self.text(current) else { return nil }
    var names: [String] = []
    while let old = saved as? [String: Any], let new = current as? [String: Any],
      let key = Self.firstDifference(old, new)
    {
      names.append(key)
      (saved, current) = (old[key], new[key])
    }
    name = shortened(names.joined(separator: "."), to: 80)
    self.checkpoint = shortened(Self.text(saved), to: 120)
    self.now = shortened(Self.text(current), to: 120)
  }

  /// The JSON object that a text is, or nil.
  static func object(_ text: String) -> Any? {
    try? JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any]
  }

  private static func firstDifference(_ old: [String: Any], _ new: [String: Any]) -> String? {
    Set(old.keys).union(new.keys).sorted().first { text(old[$0]) != text(new[$0]) }
  }

  private static func text(_ value: Any?) -> String {
    guard let value else { return "nothing" }
    let options: JSONSerialization.WritingOptions = [.sortedKeys, .fragmentsAllowed]
    let data = try? JSONSerialization.data(withJSONObject: value, options: options)
    return data.map { String(decoding: $0, as: UTF8.self) } ?? "\(value)"
  }
}
