import Foundation

/// Where two values of a setting differ. A setting may be a whole JSON object; then the error names the entry in
/// it, such as `training.schedule.peak`, and not the two objects.
struct SettingDifference {
  let name: String
  let checkpoint: String
  let now: String

  init(name: String, checkpoint: String?, now: String) {
    var name = name
    var (saved, current) = (Self.object(checkpoint ?? ""), Self.object(now))
    while let old = saved as? [String: Any], let new = current as? [String: Any],
      let key = Self.firstDifference(old, new)
    {
      name += "." + key
      (saved, current) = (old[key], new[key])
    }
    let isWhole = saved == nil && current == nil
    self.name = name
    self.checkpoint = isWhole ? checkpoint ?? "nothing" : Self.text(saved)
    self.now = isWhole ? now : Self.text(current)
  }

  private static func object(_ text: String) -> Any? {
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
