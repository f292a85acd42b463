@testable import StreamFormat
import Testing

/// JSON as strict as docs/formats.md; what is wrong is said in words.
@Suite struct JSONTextTests {
  @Test(arguments: [
    "{}", "{ }", "[]", "[1,2]", "{\"a\":{\"b\":[true,false,null]}}", "\"\\u00e9\\ud83d\\ude00\\n\\/\"",
    "-0.5e-10", "0", " {\"a\" : 1 } \n",
  ]) func soundTexts(text: String) throws {
    _ = try JSONText.parse(Array(text.utf8))
  }

  @Test(arguments: [
    "", "{", "{\"a\"}", "{\"a\":1,}", "[1,]", "[1 2]", "{\"a\":01}", "{\"a\":.5}", "{\"a\":1.}", "{\"a\":+1}",
    "{\"a\":1e}", "{'a':1}", "{a:1}", "nul", "NaN", "{\"a\":\"\t\"}", "\"\\x\"", "\"\\u12g4\"", "\"\\ud800\"",
    "\"\\udc00\"", "\"\\ud800\\u0041\"", "{}{}", "\u{FEFF}{}", "\"", "{\"a\":1,\"a\":2}",
    "{\"a\":1,\"\\u0061\":2}",
  ]) func damagedTexts(text: String) {
    #expect(throws: JSONText.Problem.self) { try JSONText.parse(Array(text.utf8)) }
  }

  @Test func depthHasABound() {
    let deep = String(repeating: "[", count: 100_000)
    #expect(throws: JSONText.Problem.self) { try JSONText.parse(Array(deep.utf8)) }
  }

  @Test func escapesAreReadAsCharacters() throws {
    guard case .string(let text) = try JSONText.parse(Array(#""A\u00e9\ud83d\ude00\t""#.utf8)) else {
      Issue.record("no string")
      return
    }
    #expect(text == "Aé😀\t")
  }

  private struct Sizes: Decodable { var dim: Int }

  @Test(arguments: [
    ("{}", "the key 'dim'"), (#"{"dim":null}"#, "null at 'dim'"),
    (#"{"dim":"x"}"#, "an integer, written with digits only, at 'dim'"),
    (#"{"dim":1e2}"#, "an integer, written with digits only, at 'dim'"),
    (#"{"dim":100.0}"#, "an integer, written with digits only, at 'dim'"),
    (#"{"dim":1e30}"#, "an integer, written with digits only, at 'dim'"),
    (#"{"dim":9223372036854775808}"#, "a number that fits at 'dim'"), ("[1]", "an object"),
    ("{\"dim\":1,}", "byte 9"),
    ("\u{FEFF}{\"dim\":1}", "byte 0"),
  ]) func metadataIsDescribedInWords(text: String, words: String) {
    let record = Record(metadata: ["config": text])
    let error = #expect(throws: FormatError.self) { try record.jsonMetadata("config", as: Sizes.self) }
    let message = error?.description ?? ""
    #expect(message.contains(words), "\(message)")
    for leak in ["CodingKey", "JSON.", "Optional", "stringValue", "Dictionary<", "Swift"] {
      #expect(!message.contains(leak), "\(message)")
    }
  }

  private struct Everything: Codable, Equatable {
    var name: String
    var isOn: Bool
    var seed: UInt64
    var offset: Int
    var rate: Double
    var weight: Float
    var sizes: [Int]
    var nested: [String: [Double]]
    var absent: String?
    var null: Int?
  }

  @Test func whatIsWrittenIsReadBack() throws {
    let value = Everything(
      name: "a\"\u{1F600}", isOn: true, seed: .max, offset: -7, rate: 1e-5, weight: 0.1, sizes: [1, 2],
      nested: ["x": [1, 2.5], "y": []], absent: nil, null: nil)
    var record = Record(metadata: ["value": try sortedJSON(value)])
    #expect(try record.jsonMetadata("value") == value)
    // A whole number may stand for one with a fraction, and null for nothing.
    record.metadata["value"] = try sortedJSON(value).replacing("1e-05", with: "2")
      .replacing("{\"isOn\"", with: "{\"null\":null,\"isOn\"")
    #expect(try record.jsonMetadata("value", as: Everything.self).rate == 2)
  }

  @Test(arguments: ["1e999", "-1e999"]) func numbersAreFinite(text: String) {
    let record = Record(metadata: ["rates": "[0.5,\(text)]"])
    let error = #expect(throws: FormatError.self) { try record.jsonMetadata("rates", as: [Double].self) }
    #expect(error?.description.contains("a number that fits at '1'") == true)
  }

  @Test func messagesAreShort() {
    let name = String(repeating: "x", count: 300_000)
    let record = Record(metadata: ["kind": name], tensors: [])
    let error = #expect(throws: FormatError.self) { try record.kind() }
    #expect((error?.description.count ?? .max) < 600)
  }
}
