import ArgumentParser
import Images

/// What becomes of orientation, transparency and 16-bit grey in image files.
public struct DecodingFlags: ParsableArguments {
  /// As the published code reads images.
  @Flag(
    name: .customLong("as-llamagen"),
    help: "Decode as LlamaGen's loader does: --as-stored --drop-alpha --clip-grey16.")
  public var asLlamaGen = false

  /// Leave orientation alone.
  @Flag(help: "Take pictures as they are stored, whatever orientation their metadata asks for.")
  public var asStored = false

  /// No background.
  @Flag(help: "Drop the alpha channel and keep the colours under it; --background is not used.")
  public var dropAlpha = false

  /// Grey samples of 16 bits as Pillow converts them.
  @Flag(
    name: .customLong("clip-grey16"),
    help: "Cut 16-bit grey at 255, as Pillow does, so that most such pictures are white.")
  public var clipGrey16 = false

  /// What shows through transparent pixels.
  @Option(
    help: ArgumentHelp("Colour behind transparent pixels, as RRGGBB. (default: ffffff)", valueName: "colour"))
  public var background: String?

  public init() {}

  /// Checks the colour.
  public func validate() throws {
    if color == nil {
      throw ValidationError("--background must be six hexadecimal digits, not '\(background ?? "")'.")
    }
    if background != nil && (dropAlpha || asLlamaGen) {
      throw ValidationError("--background shows nowhere with --drop-alpha or --as-llamagen; leave it out.")
    }
  }

  /// Whether any of them was given.
  public var isGiven: Bool { asLlamaGen || asStored || dropAlpha || clipGrey16 || background != nil }

  /// How files become pictures.
  public var options: DecodingOptions {
    if asLlamaGen { return .llamaGen }
    return DecodingOptions(
      background: dropAlpha ? nil : color ?? .white, appliesOrientation: !asStored, clipsGrey16: clipGrey16)
  }

  private var color: RGBColor? {
    guard let background else { return .white }
    guard background.utf8.count == 6, let value = UInt32(background, radix: 16) else { return nil }
    return RGBColor(UInt8(value >> 16), UInt8(value >> 8 & 255), UInt8(value & 255))
  }
}
