import ArgumentParser
import Foundation
import Images
import StreamFormat
import Training

/// Where images come from and how they become views; shared by the tools that read images.
public struct ImageOptions: ParsableArguments {
  /// A folder with a sub-folder a class, or "-" for a list on standard input.
  @Argument(
    help: ArgumentHelp(
      "Folder with a sub-folder a class, or one of images; '-' for a list on standard input, a path (and, after "
        + "a tab, a class) a line.", valueName: "images"))
  public var images: InputPath

  /// Views of an image.
  @Option(help: "Views of each image: center, flip or ten-crop.")
  public var views = "center"

  /// Size of the square that ten crops are cut from.
  @Option(
    help: ArgumentHelp("Side of the square that ten crops are cut from, times the size.", valueName: "ratio"))
  public var tenCropRatio = 1.1

  /// Enlarge small images.
  @Flag(help: "Enlarge images that are smaller than the crop; without it they are an error.")
  public var allowUpscale = false

  /// Go on without images that cannot be read.
  @Flag(help: "Report images that cannot be used, count them, and go on.")
  public var skipUnreadable = false

  /// What shows through transparent pixels.
  @Option(help: ArgumentHelp("Colour behind transparent pixels, as RRGGBB.", valueName: "colour"))
  public var background = "ffffff"

  /// The defaults.
  public init() {}

  /// Checks views, ratio and colour.
  public func validate() throws {
    if plan == nil { throw ValidationError("--views must be center, flip or ten-crop, not '\(views)'.") }
    if !(1...4).contains(tenCropRatio) { throw ValidationError("--ten-crop-ratio must be from 1 to 4.") }
    if color == nil {
      throw ValidationError("--background must be six hexadecimal digits, not '\(background)'.")
    }
  }

  private var plan: ViewPlan? {
    switch views {
    case "center": .center
    case "flip": .flip
    case "ten-crop": .tenCrop(ratio: tenCropRatio)
    default: nil
    }
  }

  private var color: RGBColor? {
    guard background.count == 6, let value = UInt32(background, radix: 16) else { return nil }
    return RGBColor(UInt8(value >> 16), UInt8(value >> 8 & 255), UInt8(value & 255))
  }

  /// Lists the images; nothing is decoded yet.
  /// - Throws: `ImageError`, `StreamError`.
  public func open(_ session: ToolSession, size: Int) throws -> TrainingImages {
    session.recordInput(name: images.path)
    let listing: ImageListing
    if images.isStandardInput {
      let text = try String(decoding: readAll(images.open()), as: UTF8.self)
      listing = try ImageListing(list: text, name: "standard input")
    } else {
      listing = try ImageFolder.list(images.path)
    }
    return TrainingImages(
      listing, size: size, plan: plan ?? .center, allowUpscale: allowUpscale, background: color ?? .white)
  }
}

/// Everything that a source still gives.
/// - Throws: `StreamError`.
public func readAll(_ source: ByteSource) throws -> [UInt8] {
  var bytes: [UInt8] = []
  var buffer = [UInt8](repeating: 0, count: 1 << 16)
  while true {
    let count = try buffer.withUnsafeMutableBytes { try source.read(into: $0) }
    if count == 0 { return bytes }
    bytes += buffer[..<count]
  }
}
