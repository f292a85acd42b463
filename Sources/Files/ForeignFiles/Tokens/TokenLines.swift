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
      label = try values.decode(Int.self, forKey: values.contains(.class_id) ? .class_id : .label)
      tokens = try values.decode([Int].self, forKey: values.contains(.tokens) ? .tokens : .codes)
    }
  }

  public init(_ source: ByteSource) { (lines, name) = (LineReader(source), source.name) }

  public func next() throws -> ForeignImageTokens? {
    while let text = try lines.next() {
      if text.allSatisfy({ $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }) { continue }
      let place = "\(name): line \(lines.count)"
      guard let found = try? decodeStrictJSON(Line.self, from: Array(text)) else {
        throw ForeignFileError(
          defect: .malformed, file: place, offset: nil,
          expected: "an object with an integer 'class_id' and a list of integers 'tokens'",
          found: "'\(shortened(String(decoding: text.prefix(240), as: UTF8.self), to: 60))'",
          hint: "write one such object per line")
      }
      return ForeignImageTokens(tokens: found.tokens, views: nil, label: found.label, place: place)
    }
    return nil
  }
}
