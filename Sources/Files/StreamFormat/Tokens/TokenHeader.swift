/// What all records of a token file agree on.
public struct TokenHeader: Equatable, Sendable {
  /// Number of codes; every token is below it.
  public var vocabSize: Int
  /// Rows of the token grid, of several grids of the last and largest one.
  public var rows: Int
  /// Columns of that grid.
  public var columns: Int
  /// SHA-256 of the codebook the tokens index.
  public var codebookSHA256: String
  /// Number of classes; every label is below it.
  public var classCount: Int
  /// The classes' names in the order of the labels; empty if they have none.
  public var classNames: [String]
  /// The views of each image, such as "center" and "center-flipped", in the order of the second dimension.
  public var viewNames: [String]
  /// The order of the tokens of an image.
  public var layout: TokenLayout

  /// - Precondition: Sizes are positive, there is a view, classes have no names or each has one, and the layout goes with
  ///   the grid.
  public init(
    vocabSize: Int, rows: Int, columns: Int, codebookSHA256: String, classCount: Int,
    classNames: [String] = [], viewNames: [String] = ["center"], layout: TokenLayout = .raster
  ) {
    precondition(vocabSize > 0 && rows > 0 && columns > 0 && classCount > 0 && !viewNames.isEmpty)
    precondition(classNames.isEmpty || classNames.count == classCount)
    precondition(layout.fits(rows: rows, columns: columns), "\(layout) on a grid of \(rows)x\(columns)")
    self.vocabSize = vocabSize
    self.rows = rows
    self.columns = columns
    self.codebookSHA256 = codebookSHA256
    self.classCount = classCount
    self.classNames = classNames
    self.viewNames = viewNames
    self.layout = layout
  }

  /// The most codes and the most classes that a file may name: those of the largest model.
  public static let maximumSize = 1 << 24
  /// The most tokens that an image may have: those of the largest model.
  public static let maximumTokens = 1 << 16

  /// Tokens of one view of one image.
  public var tokensPerView: Int { layout.tokenCount(rows: rows, columns: columns) }
  /// Views of one image.
  public var viewCount: Int { viewNames.count }
  /// The view that tells most of an image: the centre crop, and the first view where there is none, as among random
  /// crops.
  public var centerView: Int { viewNames.firstIndex(of: "center") ?? 0 }
}

// MARK: - Metadata

extension TokenHeader {
  /// Reads the header from a record's metadata.
  /// - Throws: ``FormatError`` for a record that is no token record or whose metadata is incomplete.
  public init(_ record: Record) throws {
    try record.require(kind: .tokens)
    (rows, columns) = try parseGrid(record)
    layout = try TokenLayout(record, rows: rows, columns: columns)
    vocabSize = try record.integerMetadata("vocab_size", in: 1...Self.maximumSize)
    codebookSHA256 = try record.metadata("codebook_sha256")
    classCount = try record.integerMetadata("num_classes", in: 1...Self.maximumSize)
    classNames = record.metadata["class_names"] == nil ? [] : try record.jsonMetadata("class_names")
    viewNames = try record.jsonMetadata("views")
    guard classNames.isEmpty || classNames.count == classCount else {
      throw record.badMetadata("class_names", expected: "\(classCount) names, as num_classes says")
    }
    guard !viewNames.isEmpty else {
      throw record.badMetadata("views", expected: "a list of at least one name")
    }
  }

  /// The header as metadata strings.
  public var metadata: [String: String] {
    [
      "vocab_size": "\(vocabSize)", "grid": "\(rows)x\(columns)", "codebook_sha256": codebookSHA256,
      "num_classes": "\(classCount)", "class_names": jsonList(classNames), "views": jsonList(viewNames),
    ].merging(layout.metadata) { own, _ in own }
  }

  /// Checks that another record's header is this one.
  /// - Throws: ``FormatError`` (streamMismatch) that names the first difference.
  func requireSame(as other: TokenHeader, at origin: Origin) throws {
    let (here, there) = (metadata, other.metadata)
    for key in here.keys.sorted() where here[key] != there[key] {
      throw FormatError(
        .streamMismatch, at: origin,
        expected: "\(key) as in the first record, \((here[key] ?? "").prefix(80))",
        found: "\((there[key] ?? "").prefix(80))",
        hint: "concatenate only token files made with one tokenizer and the same options")
    }
  }
}

private func parseGrid(_ record: Record) throws -> (rows: Int, columns: Int) {
  let sizes = try record.metadata("grid").split(separator: "x", omittingEmptySubsequences: false).map {
    Int($0)
  }
  guard sizes.count == 2, let rows = sizes[0], let columns = sizes[1], 1...65536 ~= rows,
    1...65536 ~= columns, rows * columns <= TokenHeader.maximumTokens
  else {
    throw record.badMetadata(
      "grid", expected: "rows x columns, such as 16x16, of at most \(TokenHeader.maximumTokens) tokens")
  }
  return (rows, columns)
}

private func jsonList(_ names: [String]) -> String {
  guard let text = try? sortedJSON(names) else { preconditionFailure("strings always encode") }
  return text
}
