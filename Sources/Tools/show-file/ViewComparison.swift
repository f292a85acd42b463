import StreamFormat
import ToolRuntime

/// How many tokens of each view of a file equal those of the centre view at the same place of the grid. Views that a
/// person can hardly tell apart may share few of them (ST-AR, section 3.2 and figure 1c).
struct ViewComparison {
  private let header: TokenHeader
  private var images = 0
  /// Equal tokens of each view and the centre view.
  private var equal: [Int]
  /// Equal tokens of the centre views of an image and of the one before it in the file.
  private var equalOfOthers = 0
  private var previous: [UInt32] = []

  /// Reads all images.
  /// - Throws: `FormatError`, `StreamError`; `ToolError` (bad data) for a file of one view, or of no image.
  init(_ reader: TokenReader) throws {
    header = reader.header
    equal = [Int](repeating: 0, count: reader.header.viewCount)
    while let batch = try reader.next() {
      for image in 0..<batch.count { add(batch, image) }
    }
    guard header.viewCount > 1, images > 0 else {
      throw ToolError(
        .badData, "--compare-views",
        expected: "images with at least two views",
        found: "\(images) images with \(header.viewCount)",
        try: "tokenize --views ten-crop")
    }
  }

  private mutating func add(_ batch: TokenBatch, _ image: Int) {
    let center = batch.tokens(image: image)
    for view in equal.indices {
      equal[view] += Self.equalCount(center, batch.tokens(image: image, view: view))
    }
    equalOfOthers += Self.equalCount(center, previous[...])
    previous = Array(center)
    images += 1
  }

  private static func equalCount(_ one: ArraySlice<UInt32>, _ other: ArraySlice<UInt32>) -> Int {
    zip(one, other).count { $0 == $1 }
  }

  private var others: [Int] { equal.indices.filter { $0 != header.centerView } }

  /// The share of equal tokens in a view.
  private func share(_ view: Int) -> Double { Double(equal[view]) / Double(images * header.tokensPerView) }

  /// The same of another image: what chance and a common background give. Nil for one image.
  private var shareOfOthers: Double? {
    images > 1 ? Double(equalOfOthers) / Double((images - 1) * header.tokensPerView) : nil
  }

  /// A line for each view, and one for other images.
  var lines: [String] {
    let center = header.viewNames[header.centerView]
    let views = others.map { "\(share($0))  \(header.viewNames[$0])" }
    let last = shareOfOthers.map { ["\($0)  another image"] } ?? []
    return ["share of tokens that equal those of \(center), of \(images) images"] + views + last
  }

  /// The same for programs.
  var json: [String: JSONValue] {
    let views = others.map { view -> JSONValue in
      ["view": .string(header.viewNames[view]), "equal_tokens": .number(share(view))]
    }
    return [
      "compared_with": .string(header.viewNames[header.centerView]), "images": .integer(images),
      "views": .array(views), "another_image": shareOfOthers.map(JSONValue.number) ?? .null,
    ]
  }
}
