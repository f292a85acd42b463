import StreamFormat

/// Lines of JSON with the codes of an image each, `{"class_id": 7, "tokens": [31, 5, ...]}`, as RAR stores them.
public final class TokenLines: ForeignTokenSequence {
  public let classNames: [String] = []
  public let classCount: Int? = nil
  private let lines: LineReader
  private let name: String

  private struct Line: Decodable {
    var label: Int
    var tokens: [Int]

    private enum Keys: String, CodingKey {
      case class_id, label, tokens, codes
    }

    init(from decoder: any Decoder) throws {
      let values = try decoder.container(keyedBy: Keys.self)
      func one<Value: Decodable & Equatable>(_ key: Keys, or other: Keys) throws -> Value {
        guard values.contains(key) else { return try values.decode(Value.self, forKey: other) }
        let value = try values.decode(Value.self, forKey: key)
        // Of two that differ, nobody knows which one is meant. One of another type, such as a class's name, is something else.
        if let second = try? values.decode(Value.self, forKey: other), second != value {
          throw Contradiction(first: key.rawValue, second: other.rawValue)
        }
        return value
      }
      label = try one(.class_id, or: .label)
      tokens = try one(.tokens, or: .codes)
    }
  }

  /// Two keys for one thing have different values.
  private struct Contradiction: Error {
    var first: String
    var second: String
  }

  public init(_ source: ByteSource) { (lines, name) = (LineReader(source), source.name) }

  public func next() throws -> ForeignImageTokens? {
    while let text = try lines.next() {
      if text.allSatisfy({ $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }) { continue }
      let place = "\(name): line \(lines.count)"
      let found: Line
      do {
        found = try decodeStrictJSON(Line.self, from: Array(text))
      } catch let keys as Contradiction {
        throw ForeignFileError(
          defect: .malformed, file: place, offset: nil,
          expected: "the same in '\(keys.first)' and '\(keys.second)'", found: "two values",
          hint: "leave one of them out")
      } catch {
        throw ForeignFileError(
          defect: .malformed, file: place, offset: nil,
          expected:
            "an object with an integer 'class_id' or 'label', and a list of integers 'tokens' or 'codes'",
          found: "'\(shortened(String(decoding: text.prefix(240), as: UTF8.self), to: 60))'",
          hint: "write one such object per line")
      }
      return ForeignImageTokens(tokens: found.tokens, views: nil, label: found.label, place: place)
    }
    return nil
  }
}
