import StreamFormat

/// Lines of JSON with the codes of an image each, `{"class_id": 7, "tokens": [31, 5, ...]}`, as RAR stores them.
public final class TokenLines: ForeignTokenSequence {
  public let classNames: [String] = []
  public let classCount: Int? = nil
  private let source: ByteSource
  private var buffer: [UInt8] = []
  /// Where the next line begins in the buffer.
  private var start = 0
  private var isAtEnd = false
  private var line = 0

  // No image has as many tokens as would fill it.
  private static let largestLine = 1 << 24

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

  public init(_ source: ByteSource) { self.source = source }

  public func next() throws -> ForeignImageTokens? {
    while let text = try nextLine() {
      line += 1
      if text.allSatisfy({ $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }) { continue }
      let place = "\(source.name): line \(line)"
      guard let found = try? decodeStrictJSON(Line.self, from: Array(text)) else {
        throw ForeignFileError(
          defect: .malformed, file: place, offset: nil,
          expected: "an object with an integer 'class_id' and a list of integers 'tokens'",
          found: "'\(String(decoding: text.prefix(60), as: UTF8.self))'",
          hint: "write one such object per line")
      }
      return ForeignImageTokens(tokens: found.tokens, views: 1, label: found.label, place: place)
    }
    return nil
  }

  private func nextLine() throws -> ArraySlice<UInt8>? {
    var searched = start
    while true {
      if let end = buffer[searched...].firstIndex(of: 0x0A) {
        defer { start = end + 1 }
        return buffer[start..<end]
      }
      if isAtEnd {
        defer { start = buffer.count }
        return start < buffer.count ? buffer[start...] : nil
      }
      guard buffer.count - start < Self.largestLine else {
        throw ForeignFileError(
          defect: .tooLarge, file: source.name, offset: nil,
          expected: "lines of at most \(Self.largestLine) bytes",
          found: "a longer one, line \(line + 1)", hint: "write one object per line")
      }
      buffer.removeFirst(start)
      (start, searched) = (0, buffer.count)
      var part = [UInt8](repeating: 0, count: 1 << 18)
      let count = try part.withUnsafeMutableBytes { try source.read(into: $0) }
      if count == 0 { isAtEnd = true }
      buffer += part[..<count]
    }
  }
}
