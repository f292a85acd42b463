import FoundationEssentials
import Glibc

extension ImageListing {
  /// A listing from the bytes of a table of comma-separated values (RFC 4180) with a path and a class in each row. A first row
  /// whose path has neither a dot nor a slash, and whose class is no number, is a heading. Further columns are passed over. A path that does not begin with `/` is
  /// relative to `folder`. Where every class is a number, these are the labels; otherwise the classes are in the order of
  /// names.
  /// - Parameter classCount: of classes that are numbers, how many there are; nil for the largest and one.
  /// - Throws: `ImageError.malformedTable`, `.unusableLabel`, `.sameClass`, `.unknownClass` and `.noImages`.
  public init(
    csv: [UInt8], name: String, folder: FilePath, classCount: Int? = nil
  ) throws(ImageError) {
    let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
    var rows = try CSVRows(csv.starts(with: mark) ? Array(csv.dropFirst(mark.count)) : csv, name: name).rows
    if let first = rows.first, Self.isHeading(first.fields) { rows.removeFirst() }
    guard !rows.isEmpty else { throw .malformedTable(table: name, line: 1, found: "no row with an image") }
    var images: [(path: FilePath, className: String, line: Int)] = []
    for row in rows {
      guard row.fields.count >= 2, !row.fields[0].isEmpty, !row.fields[1].isEmpty else {
        let text = Array(row.fields.joined(separator: [UInt8(ascii: ",")]))
        throw .malformedTable(table: name, line: row.line, found: readableText(of: text))
      }
      // "cat" and " cat" would be two classes.
      guard !Self.hasBlankEnd(row.fields[1]) else {
        let found = "a blank at an end of '\(readableText(of: row.fields[1]))'"
        throw .malformedTable(table: name, line: row.line, found: found)
      }
      let path = FilePath(row.fields[0])
      images.append(
        (
          path.bytes.first == UInt8(ascii: "/") ? path : folder.appending(path),
          readableText(of: row.fields[1]), row.line
        ))
    }
    let numbers = images.map { image in
      Int(image.className).flatMap { 0...Self.largestLabel ~= $0 ? $0 : nil }
    }
    if !numbers.contains(nil) {
      let numbered = zip(images, numbers).map { (source: ImageSource.file($0.path), label: $1 ?? 0) }
      try self.init(numbered: numbered, classCount: classCount, name: name)
      return
    }
    // One label that is none would turn all others into names.
    if images.allSatisfy({ Self.isNumber($0.className) }), let place = numbers.firstIndex(of: nil) {
      throw .unusableLabel(table: name, line: images[place].line, found: images[place].className)
    }
    let names = try ClassNames(images.map(\.className), in: name).names
    let labels = Dictionary(uniqueKeysWithValues: names.enumerated().map { ($1, $0) })
    self.init(
      classNames: names,
      entries: images.map { Entry(path: $0.path, label: labels[$0.className] ?? 0) })
  }

  private static func hasBlankEnd(_ field: [UInt8]) -> Bool {
    let blanks = [UInt8(ascii: " "), UInt8(ascii: "\t")]
    return [field.first, field.last].contains { end in end.map(blanks.contains) ?? false }
  }

  /// Whether a text is a number of any kind, with or without spaces around it.
  private static func isNumber(_ text: String) -> Bool {
    let words = text.split(whereSeparator: \.isWhitespace)
    return words.count == 1 && Double(words[0]) != nil
  }

  /// A path has a dot or a slash in it, and a heading of classes is no number.
  private static func isHeading(_ fields: [[UInt8]]) -> Bool {
    let path = fields[0]
    return !path.isEmpty && !path.contains(UInt8(ascii: ".")) && !path.contains(UInt8(ascii: "/"))
      && !(fields.count > 1 && isNumber(readableText(of: fields[1])))
  }
}

/// The rows of a table with the line of the text in which each begins. Empty lines are no rows.
private struct CSVRows {
  private(set) var rows: [(fields: [[UInt8]], line: Int)] = []

  /// - Throws: `ImageError.malformedTable` for quotes that do not pair, and for a carriage return that ends no line.
  init(_ text: [UInt8], name: String) throws(ImageError) {
    let (quote, comma, newline, carriage) = (
      UInt8(ascii: "\""), UInt8(ascii: ","), UInt8(ascii: "\n"), UInt8(ascii: "\r")
    )
    var (place, line) = (0, 1)
    while place < text.count {
      var fields: [[UInt8]] = [[]]
      let first = line
      row: while place < text.count {
        switch text[place] {
        case newline: break row
        case comma: fields.append([])
        case carriage where place + 1 == text.count || text[place + 1] == newline: break
        case carriage: throw .malformedTable(table: name, line: line, found: "a carriage return")
        case quote where fields[fields.count - 1].isEmpty:
          guard let field = Self.quoted(text, &place, &line) else {
            throw .malformedTable(
              table: name, line: first, found: "a quote that is not closed, or text after it")
          }
          fields[fields.count - 1] = field
        default: fields[fields.count - 1].append(text[place])
        }
        place += 1
      }
      if fields != [[]] { rows.append((fields, first)) }
      (place, line) = (place + 1, line + 1)
    }
  }

  /// A quoted field, from its first quote on; leaves the place at the last one. Nil if that is missing, or other text
  /// follows it.
  private static func quoted(_ text: [UInt8], _ place: inout Int, _ line: inout Int) -> [UInt8]? {
    let quote = UInt8(ascii: "\"")
    var field: [UInt8] = []
    place += 1
    while place < text.count {
      if text[place] == quote {
        guard place + 1 < text.count, text[place + 1] == quote else {
          let isEnd = place + 1 == text.count || [0x2C, 0x0A, 0x0D].contains(text[place + 1])
          return isEnd ? field : nil
        }
        place += 1
      }
      if text[place] == 0x0A { line += 1 }
      field.append(text[place])
      place += 1
    }
    return nil
  }
}
