import ArgumentParser
import StreamFormat
import ToolKit

@main struct ShowFile: Tool {
  static let toolName = "show-file"
  static let summary = "Tell what is in a file."
  static let usageExample = "show-file images.tokens.zst"
  @Argument var file: InputPath
  @OptionGroup var common: CommonOptions

  func execute(_ session: ToolSession) throws {
    let reader = try session.openRecords(file)
    while let record = try reader.next() { try session.printLine(record.metadata.description) }
  }
}
