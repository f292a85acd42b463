import ArgumentParser
import StreamFormat
import SuiteOptions
import ToolRuntime

@main struct RelabelTokens: Tool {
  static let toolName = "relabel-tokens"
  static let summary =
    "Applies a mapping to tokens: a permutation of the codebook, or fine codes to coarse labels."
  static let usageExample =
    "relabel-tokens --mapping iar.tensors.zst emoji.tokens.zst > rearranged.tokens.zst"

  @Argument(help: "Token file, or '-' for standard input.") var tokens: InputPath
  @Option(help: "Mapping file that rearrange-codebook or cluster-codebook wrote.") var mapping: InputPath
  @Option(name: .shortAndLong, help: "Token file to write; '-' is standard output.")
  var output = OutputPath.standardOutput
  @Flag(help: "Apply a permutation backward, from the new order to the old one.") var inverse = false
  @OptionGroup(title: "Common") var common: CommonOptions

  func validate() throws {
    try common.requireFreeStandardOutput(besides: output)
    try InputPath.requireDistinct(tokens, mapping)
  }

  func execute(_ session: ToolSession) throws {
    let mapping = try CodeMapping(session.readRecord(mapping))
    if inverse && mapping.oldToNew == nil {
      throw ToolError(
        .badData, self.mapping.path, expected: "a permutation, for --inverse",
        found: "a fine-to-coarse mapping",
        try: "sample --fine, which draws fine codes for coarse labels")
    }
    let reader = try session.openTokens(tokens)
    let (from, to) =
      inverse
      ? (mapping.targetCodebookSHA256, mapping.sourceCodebookSHA256)
      : (mapping.sourceCodebookSHA256, mapping.targetCodebookSHA256)
    let table = (inverse ? mapping.newToOld ?? [] : mapping.table).map(UInt32.init)
    try session.requireSameCodebook(
      reader.header, of: tokens.path, as: from, codes: table.count, of: self.mapping.path)
    var header = reader.header
    header.codebookSHA256 = to
    header.vocabSize = inverse ? mapping.sourceCount : mapping.targetCount
    let sink = try session.create(output)
    let writer = TokenWriter(RecordWriter(sink), header: header, metadata: session.provenanceMetadata)
    let progress = session.progress("images")
    var count = 0
    while let batch = try reader.next() {
      try session.interruption.check()
      try writer.write(
        TokenBatch(
          header: header, tokens: batch.tokens.map { table[Int($0)] }, labels: batch.labels,
          skipped: batch.skipped, shard: batch.shard))
      progress.advance(by: batch.count)
      count += batch.count
    }
    try writer.finish()
    try sink.commit()
    progress.finish()
    try session.report(["images": .integer(count), "codes": .integer(header.vocabSize)])
  }
}
