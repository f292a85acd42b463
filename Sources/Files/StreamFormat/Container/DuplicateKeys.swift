import Foundation

/// The first key that occurs twice in one object of a JSON text, or nil.
///
/// Foundation's decoder keeps one of the two without a word; readers that differ in which one they keep can
/// be made to see different tensors.
/// - Precondition: The text is valid JSON.
func firstDuplicateKey(in json: [UInt8]) -> String? {
  var open: [Set<String>] = []
  var string = 0..<0
  var index = 0
  while index < json.count {
    switch json[index] {
    case UInt8(ascii: "\""):
      let start = index
      index = endOfString(json, from: start)
      string = start..<index + 1
    case UInt8(ascii: "{"): open.append([])
    case UInt8(ascii: "}"): open.removeLast()
    case UInt8(ascii: ":"):
      let key = unquoted(json[string])
      if !open[open.count - 1].insert(key).inserted { return key }
    default: break
    }
    index += 1
  }
  return nil
}

private func endOfString(_ json: [UInt8], from start: Int) -> Int {
  var index = start + 1
  while json[index] != UInt8(ascii: "\"") {
    index += json[index] == UInt8(ascii: "\\") ? 2 : 1
  }
  return index
}

private func unquoted(_ literal: ArraySlice<UInt8>) -> String {
  if literal.contains(UInt8(ascii: "\\")),
    let text = try? JSONDecoder().decode(String.self, from: Data(literal))
  {
    return text
  }
  return String(decoding: literal.dropFirst().dropLast(), as: UTF8.self)
}
