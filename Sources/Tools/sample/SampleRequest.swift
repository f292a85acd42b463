import ImageModels
import StreamFormat
import ToolRuntime

/// A line of JSON that asks `sample --serve` for images. What it leaves out is as the command line says.
struct SampleRequest: Decodable {
  /// Given back with each image, so that the asker knows whose it is.
  var id: JSONValue?
  /// The classes to draw, by number or name.
  var classes: [JSONValue]
  /// Images of each class.
  var count = 1
  var seed: UInt64?
  var guidance: Double?
  var temperature: Float?
  var topK: Int?
  var topP: Float?
  /// What the names of pictures begin with: `PNG-0.png` is the first image.
  var png: String?

  /// A request that cannot be met, in words.
  struct Refusal: Error {
    let text: String

    init(_ expected: String, _ found: String, try hint: String) {
      text = "expected \(expected); found \(found); try: \(hint)"
    }
  }

  private enum Keys: String, CodingKey, CaseIterable {
    case id, classes, count, seed, guidance, temperature, png
    case topK = "top_k"
    case topP = "top_p"

    /// What the values of the key are.
    var form: String {
      switch self {
      case .id: "any value"
      case .classes: "a list of the numbers and names of classes"
      case .count, .topK: "an integer"
      case .seed: "an integer from 0 to \(UInt64.max)"
      case .guidance, .temperature, .topP: "a number"
      case .png: "a text"
      }
    }

    /// A value for the hint.
    var example: String {
      switch self {
      case .id, .classes: "[0]"
      case .count, .seed, .temperature, .topP: "1"
      case .guidance: "2"
      case .topK: "100"
      case .png: #""image""#
      }
    }
  }

  private struct AnyKey: CodingKey {
    var stringValue: String
    var intValue: Int? { nil }
    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
  }

  init(from decoder: any Decoder) throws {
    guard let given = try? decoder.container(keyedBy: AnyKey.self).allKeys.map(\.stringValue) else {
      throw Refusal("an object", "another value", try: #"{"classes": [0]}"#)
    }
    let known = Keys.allCases.map(\.rawValue)
    if let unknown = given.sorted().first(where: { !known.contains($0) }) {
      throw Refusal(
        "keys among \(known.sorted().joined(separator: ", "))", "'\(shortened(unknown, to: 40))'",
        try: #"{"classes": [0]}"#)
    }
    let values = try decoder.container(keyedBy: Keys.self)
    func value<Value: Decodable>(_ key: Keys) throws -> Value? {
      do {
        return try values.decodeIfPresent(Value.self, forKey: key)
      } catch is DecodingError {
        let found = (try? values.decode(JSONValue.self, forKey: key)).flatMap(Self.words)
        throw Refusal(
          "'\(key.rawValue)' as \(key.form)", shortened(found ?? "a number out of range", to: 60),
          try: "\"\(key.rawValue)\": \(key.example)")
      }
    }
    guard let classes: [JSONValue] = try value(.classes) else {
      throw Refusal("'classes', \(Keys.classes.form)", "no such key", try: #"{"classes": [0]}"#)
    }
    self.classes = classes
    // Also null is given back.
    if values.contains(.id) { id = try values.decode(JSONValue.self, forKey: .id) }
    count = try value(.count) ?? 1
    seed = try value(.seed)
    guidance = try value(.guidance)
    temperature = try value(.temperature)
    topK = try value(.topK)
    topP = try value(.topP)
    png = try value(.png)
  }

  /// A value as the request has it: 1.0 where an integer should be is no 1.
  private static func words(_ value: JSONValue) -> String? {
    if case .number(let number) = value { return "\(number)" }
    return try? sortedJSON(value)
  }

  /// The class of each image.
  /// - Throws: ``Refusal`` for a class that the model does not have, and for more than 65,536 images.
  func labels(classCount: Int, names: [String]) throws -> [Int] {
    guard (1...65_536).contains(count), (1...65_536 / count).contains(classes.count) else {
      throw Refusal(
        "1 to 65536 images", "\(classes.count) classes, \(count) images of each",
        try: count < 1 || classes.isEmpty ? #"{"classes": [0], "count": 1}"# : "several requests")
    }
    return try classes.flatMap { wanted in
      let number: Int? =
        switch wanted {
        case .integer(let number): (0...classCount).contains(number) ? number : nil
        case .string(let name): names.firstIndex(of: name)
        default: nil
        }
      guard let number else {
        let all = names.isEmpty ? "" : " or a name among " + shortened(names.joined(separator: ", "), to: 120)
        throw Refusal(
          "a class from 0 to \(classCount - 1), \(classCount) for no class\(all)",
          shortened((try? sortedJSON(wanted)) ?? "", to: 60),
          try: "show-file on the model, which lists its classes")
      }
      return [Int](repeating: number, count: count)
    }
  }

  /// How tokens are drawn, as the request says or else as the command line does.
  /// - Throws: ``Refusal``.
  func drawing(_ usual: DrawOptions) throws -> DrawOptions {
    let draw = DrawOptions(
      temperature: temperature ?? usual.temperature, topK: topK ?? usual.topK, topP: topP ?? usual.topP)
    guard draw.temperature >= 0, draw.temperature.isFinite, draw.topK >= 0, draw.topP > 0, draw.topP <= 1
    else {
      throw Refusal(
        "temperature and top_k at least 0, top_p above 0 and at most 1",
        "temperature \(draw.temperature), top_k \(draw.topK), top_p \(draw.topP)",
        try: "the values of the command line")
    }
    return draw
  }
}
