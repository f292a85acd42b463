import ArgumentParser
import ForeignFiles
import FoundationEssentials
import Glibc
import ImageModels
import Images
import StreamFormat
import SuiteOptions
import TensorCore
import ToolRuntime

@main struct ImportTokens: Tool {
  static let toolName = "import-tokens"
  static let summary =
    "Converts codes that other programs extracted: folders and arrays of NumPy, tar, JSON lines."
  static let usageExample =
    "import-tokens imagenet256_codes --labels imagenet256_labels --classes 1000 --tokenizer vq.tensors.zst --output codes.tokens.zst"

  @Argument(
    help: ArgumentHelp(
      "Folder of INDEX.npy (with --labels) or CLASS/INDEX.npy, a tar or zip archive of CLASS/INDEX.npy, an .npy "
        + "array (with --labels), or lines of JSON, which '-' reads from standard input."))
  var codes: InputPath
  @Option(help: "Folder of INDEX.npy with a label each, or an .npy array of labels.") var labels: InputPath?
  @Option(help: "File of the tokenizer whose codes these are.") var tokenizer: InputPath
  @Option(name: .shortAndLong, help: "Token file to write; '-' is standard output.")
  var output = OutputPath.standardOutput
  @Option(
    help: ArgumentHelp(
      "The token grid, rows x columns. (default: a square of the last dimension)", valueName: "ROWSxCOLUMNS"),
    transform: TokenGridSize.parse)
  var grid: TokenGridSize?
  @Option(
    help: ArgumentHelp(
      "Views per image: center, flip or ten-crop, in the order of LlamaGen and of tokenize. (default: by their number)"
    ))
  var views: String?
  @Option(help: "Number of classes. (default: from the folders' names or the array of labels)") var classes:
    Int?
  @OptionGroup(title: "Common") var common: CommonOptions

  func validate() throws {
    try common.requireFreeStandardOutput(besides: output)
    try InputPath.requireDistinct(codes, labels, tokenizer)
    if labels?.path == codes.path {
      throw ValidationError("--labels must be another folder or file than that of the codes.")
    }
    if let grid, grid.rows * grid.columns > TokenHeader.maximumTokens {
      throw ValidationError("--grid must have at most \(TokenHeader.maximumTokens) tokens.")
    }
    if let views, ImageLayout.plans[views] == nil {
      throw ValidationError("--views must be center, flip or ten-crop, not '\(views)'.")
    }
    if !(1...TokenHeader.maximumSize).contains(classes ?? 1) {
      throw ValidationError("--classes must be from 1 to \(TokenHeader.maximumSize).")
    }
  }

  private static let imagesPerRecord = 1024

  func execute(_ session: ToolSession) throws {
    let model = try Tokenizer(session.readRecord(tokenizer), device: Device(threadCount: session.threads))
    let source = try ForeignTokenForm.open(codes, labels: labels, session)
    guard let first = try source.next() else {
      throw ToolError(
        .badData, codes.path,
        expected: "at least one image",
        found: "none",
        try: "another file")
    }
    let header = try header(of: first, source, model)
    let sink = try session.create(output)
    let writer = TokenWriter(RecordWriter(sink), header: header, metadata: session.provenanceMetadata)
    let progress = session.progress("images")
    var (count, next) = (0, Optional(first))
    while next != nil {
      try session.interruption.check()
      var batch = TokenBatch(header: header, tokens: [], labels: [])
      while let image = next, batch.count < Self.imagesPerRecord {
        try append(image, to: &batch)
        next = try source.next()
      }
      try writer.write(batch)
      progress.advance(by: batch.count)
      count += batch.count
    }
    try writer.finish()
    try sink.commit()
    progress.finish()
    try session.report([
      "images": .integer(count), "views": .integer(header.viewCount), "classes": .integer(header.classCount),
    ])
  }

  /// What all images have in common, as the first one and the options tell it.
  private func header(
    of first: ForeignImageTokens, _ source: any ForeignTokenSequence, _ model: Tokenizer
  ) throws -> TokenHeader {
    guard let classCount = classes ?? source.classCount else {
      throw ToolError(
        .usage, codes.path,
        expected: "--classes, the number of classes, which is not known before all is read",
        found: "no such option",
        try: "--classes 1000 for ImageNet")
    }
    guard source.classNames.isEmpty || source.classNames.count == classCount else {
      throw ToolError(
        .usage, "--classes",
        expected: "\(source.classNames.count), the number of class folders",
        found: "\(classCount)",
        try: "without it")
    }
    let sizes = model.configuration
    let layout = try ImageLayout(
      first, tokenizer: (sizes.tokenLayout, sizes.imageSize / sizes.downsampling), grid: grid, views: views)
    return TokenHeader(
      vocabSize: sizes.codebookSize, rows: layout.rows, columns: layout.columns,
      codebookSHA256: model.codebookSHA256,
      classCount: classCount, classNames: source.classNames, viewNames: layout.viewNames, layout: layout.order
    )
  }

  private func append(_ image: ForeignImageTokens, to batch: inout TokenBatch) throws {
    let header = batch.header
    func refuse(_ expected: String, _ found: String, _ hint: String) -> ToolError {
      ToolError(
        .badData, image.place,
        expected: expected,
        found: found,
        try: hint)
    }
    guard image.views ?? header.viewCount == header.viewCount else {
      throw refuse(
        "\(header.viewCount) views, as the first image has", "\(image.views ?? 0)",
        "import such images by themselves")
    }
    guard image.tokens.count == header.viewCount * header.tokensPerView else {
      throw refuse(
        "\(header.viewCount * header.tokensPerView) tokens, as the first image has", "\(image.tokens.count)",
        "images of one size in one file")
    }
    if let token = image.tokens.first(where: { !(0..<header.vocabSize).contains($0) }) {
      throw refuse(
        "codes from 0 to \(header.vocabSize - 1)", "\(token)", "the tokenizer that made these codes")
    }
    guard (0..<header.classCount).contains(image.label) else {
      throw refuse(
        "a label from 0 to \(header.classCount - 1)", "\(image.label)",
        image.label < 0
          ? "labels that are counted from 0"
          : image.label < TokenHeader.maximumSize ? "--classes \(image.label + 1) or more" : "smaller labels")
    }
    batch.append(
      TokenBatch(header: header, tokens: image.tokens.map { UInt32($0) }, labels: [UInt32(image.label)]))
  }
}
