import ImageModels
import StreamFormat
import ToolRuntime

// Whether files belong together: of one codebook, of one grid, with the classes that a model knows.

extension ToolSession {
  /// Checks that two files belong to the same codebook.
  /// - Throws: `ToolError` (bad data).
  public func requireSameCodebook(
    _ hash: String, of file: String, as expected: String, of other: String
  ) throws {
    guard hash != expected else { return }
    throw ToolError(
      .badData, file,
      expected: "codes of codebook \(expected.prefix(12)), that of \(other)",
      found: "codebook \(hash.prefix(12))",
      try: "the tokenizer and mapping that these tokens were made with")
  }

  /// Checks that tokens belong to a codebook, and that they index no more codes than it has: a file may lie about its
  /// codebook.
  /// - Throws: `ToolError` (bad data).
  public func requireSameCodebook(
    _ header: TokenHeader, of file: String, as expected: String, codes: Int, of other: String
  ) throws {
    try requireSameCodebook(header.codebookSHA256, of: file, as: expected, of: other)
    try requireCodes(codes, in: header, of: file, as: other)
  }

  /// Checks that a tokenizer can decode tokens: that they are of its codebook, and of its scales.
  /// - Throws: `ToolError` (bad data).
  public func requireDecodable(
    _ header: TokenHeader, of file: String, by tokenizer: Tokenizer, of other: String
  ) throws {
    try requireSameCodebook(
      header, of: file, as: tokenizer.codebookSHA256, codes: tokenizer.configuration.codebookSize, of: other)
    guard header.layout != tokenizer.configuration.tokenLayout else { return }
    throw ToolError(
      .badData, file,
      expected: "\(tokenizer.configuration.tokenLayout), as \(other) has",
      found: "\(header.layout)",
      try: "the tokenizer that these tokens were made with")
  }

  /// Stops when a model of some scales cannot read the tokens of a file: other scales, or too few views.
  /// - Throws: `ToolError` (bad data).
  public func requireScales(
    _ scales: [Int], _ header: TokenHeader, of file: String, view: Int, by model: String
  ) throws {
    guard header.layout != .scales(scales) || view >= header.viewCount else { return }
    throw ToolError(
      .badData, file, expected: "\(TokenLayout.scales(scales)), and a view \(view), for \(model)",
      found: "\(header.layout), \(header.viewCount) views", try: "the tokens that the model was trained with")
  }

  /// Stops what works on one grid of tokens alone where tokens are of several scales.
  /// - Throws: `ToolError` (bad data).
  public func requireRaster(_ header: TokenHeader, of file: String) throws {
    guard header.layout != .raster else { return }
    throw ToolError(
      .badData, file,
      expected: "tokens of one grid in raster order",
      found: "\(header.layout)",
      try: "tokens of a tokenizer without scales")
  }

  /// Checks that tokens are of a number of codes.
  /// - Throws: `ToolError` (bad data).
  public func requireCodes(_ codes: Int, in header: TokenHeader, of file: String, as other: String) throws {
    guard header.vocabSize != codes else { return }
    throw ToolError(
      .badData, file,
      expected: "\(codes) codes, as \(other) has",
      found: "\(header.vocabSize)",
      try: "the files of one codebook")
  }

  /// Stops when a model cannot read the tokens of a file: another codebook, grid or vocabulary, or too few views. Classes
  /// are matched by `matchClasses`.
  /// - Throws: `ToolError` (bad data).
  public func requireFit(
    _ header: TokenHeader, of file: String, view: Int, to sizes: TransformerConfiguration,
    _ description: ModelDescription, of model: String
  ) throws {
    try requireSameCodebook(header.codebookSHA256, of: file, as: description.codebookSHA256, of: model)
    try requireLayout(header, of: file, view: view, sizes, of: model)
  }

  /// Stops when tokens have another grid or vocabulary than a model, or too few views.
  /// - Throws: `ToolError` (bad data).
  public func requireLayout(
    _ header: TokenHeader, of file: String, view: Int, _ sizes: TransformerConfiguration, of model: String
  ) throws {
    try requireRaster(header, of: file)
    guard header.rows == sizes.gridRows, header.columns == sizes.gridColumns,
      header.vocabSize == sizes.vocabularySize, view < header.viewCount
    else {
      throw ToolError(
        .badData, file,
        expected:
          "\(sizes.vocabularySize) codes on a grid of \(sizes.gridRows)x\(sizes.gridColumns), and a view \(view), for "
          + model,
        found: "\(header.vocabSize) codes on \(header.rows)x\(header.columns), \(header.viewCount) views",
        try: "tokens like those that the model was trained with")
    }
  }
}

// MARK: Coarse-to-fine prediction

// Two codebooks take part in it, and a file of the one is easily given for the other.

extension ToolSession {
  /// Stops where fine tokens are asked for and a file is of another codebook, or of the coarse labels.
  /// - Throws: `ToolError` (bad data).
  public func requireFine(_ hash: String, of file: String, fine: String, coarse: String, of other: String)
    throws
  {
    guard hash == coarse, coarse != fine else {
      return try requireSameCodebook(hash, of: file, as: fine, of: other)
    }
    throw ToolError(
      .badData, file,
      expected: "fine tokens",
      found: "coarse labels, those of \(other)",
      try: "the tokens before relabel-tokens")
  }

  /// Stops where coarse labels are asked for and a file is of another mapping, or of the fine codes.
  /// - Throws: `ToolError` (bad data).
  public func requireCoarse(_ hash: String, of file: String, fine: String, coarse: String, of other: String)
    throws
  {
    guard hash != coarse else { return }
    throw hash == fine
      ? ToolError(
        .badData, file, expected: "coarse labels", found: "fine codes, those of \(other)",
        try: "relabel-tokens with the mapping")
      : ToolError(
        .badData, file, expected: "coarse labels of mapping \(coarse.prefix(12)), that of \(other)",
        found: "codebook \(hash.prefix(12))", try: "the files of one mapping")
  }
}
