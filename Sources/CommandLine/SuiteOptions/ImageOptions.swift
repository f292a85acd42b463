import ArgumentParser
import Datasets
import Foundation
import Images
import StreamFormat
import ToolRuntime

/// Where images come from and how they become views; shared by the tools that read images.
public struct ImageOptions: ParsableArguments {
  /// A folder with a sub-folder a class, or "-" for a list on standard input.
  @Argument(
    help: ArgumentHelp(
      "Folder with a sub-folder a class, or one of images; '-' for a list on standard input, a path (and, after "
        + "a tab, a class) a line.", valueName: "images"))
  public var images: InputPath

  /// Views of an image.
  @Option(help: "Views of each image: center, flip, ten-crop or random-crop.")
  public var views = "center"

  /// Size of the square that ten crops are cut from.
  @Option(
    help: ArgumentHelp("Side of the square that ten crops are cut from, times the size.", valueName: "ratio"))
  public var tenCropRatio = 1.1

  /// Number of random crops.
  @Option(help: "Random crops of each image, drawn by --seed. (default: 8)")
  public var viewCount: Int?

  /// Their area.
  @Option(help: "Smallest and largest share of the area in a random crop. (default: 0.08,1)")
  public var cropScale: NumberRange?

  /// Their shape.
  @Option(
    help: "Smallest and largest width to height of a random crop. (default: three to four, four to three)")
  public var cropRatio: NumberRange?

  /// How many are mirrored.
  @Option(help: "How probable it is that a random crop is mirrored. (default: 0.5)")
  public var cropMirrorRate: Double?

  /// Enlarge small images.
  @Flag(help: "Enlarge images that are smaller than the crop; without it they are an error.")
  public var allowUpscale = false

  /// Go on without images that cannot be read.
  @Flag(help: "Report images that cannot be used, count them, and go on.")
  public var skipUnreadable = false

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
  @Option(help: ArgumentHelp("Colour behind transparent pixels, as RRGGBB.", valueName: "colour"))
  public var background = "ffffff"

  /// The defaults.
  public init() {}

  /// Checks views, ratio and colour.
  public func validate() throws {
    // Before the plan, which takes its numbers for checked.
    try validateCrops()
    if plan(seed: 0) == nil {
      throw ValidationError("--views must be center, flip, ten-crop or random-crop, not '\(views)'.")
    }
    if !(1...4).contains(tenCropRatio) { throw ValidationError("--ten-crop-ratio must be from 1 to 4.") }
    if color == nil {
      throw ValidationError("--background must be six hexadecimal digits, not '\(background)'.")
    }
    if background != "ffffff" && (dropAlpha || asLlamaGen) {
      throw ValidationError("--background shows nowhere with --drop-alpha or --as-llamagen; leave it out.")
    }
  }

  private func validateCrops() throws {
    let given: [(String, Bool)] = [
      ("--view-count", viewCount != nil), ("--crop-scale", cropScale != nil),
      ("--crop-ratio", cropRatio != nil), ("--crop-mirror-rate", cropMirrorRate != nil),
    ]
    if views != "random-crop", let name = given.first(where: \.1)?.0 {
      throw ValidationError("\(name) needs --views random-crop.")
    }
    if let viewCount, !(1...1024).contains(viewCount) {
      throw ValidationError("--view-count must be from 1 to 1024.")
    }
    if let bounds = cropScale?.bounds, bounds.lowerBound <= 0 || bounds.upperBound > 1 {
      throw ValidationError("--crop-scale must be two numbers above 0 and at most 1.")
    }
    if let bounds = cropRatio?.bounds, bounds.lowerBound < 0.01 || bounds.upperBound > 100 {
      throw ValidationError("--crop-ratio must be two numbers from 0.01 to 100.")
    }
    if let cropMirrorRate, !(0...1).contains(cropMirrorRate) {
      throw ValidationError("--crop-mirror-rate must be from 0 to 1.")
    }
  }

  private func plan(seed: UInt64) -> ViewPlan? {
    switch views {
    case "center": return .center
    case "flip": return .flip
    case "ten-crop": return .tenCrop(ratio: tenCropRatio)
    case "random-crop":
      var crops = RandomCrops(count: viewCount ?? 8, seed: seed)
      crops.scale = cropScale?.bounds ?? crops.scale
      crops.ratio = cropRatio?.bounds ?? crops.ratio
      crops.mirrorRate = cropMirrorRate ?? crops.mirrorRate
      return .randomCrops(crops)
    default: return nil
    }
  }

  private var color: RGBColor? {
    guard background.count == 6, let value = UInt32(background, radix: 16) else { return nil }
    return RGBColor(UInt8(value >> 16), UInt8(value >> 8 & 255), UInt8(value & 255))
  }

  /// How files become pictures.
  private var decoding: DecodingOptions {
    if asLlamaGen { return .llamaGen }
    return DecodingOptions(
      background: dropAlpha ? nil : color ?? .white, appliesOrientation: !asStored, clipsGrey16: clipGrey16)
  }

  /// Lists the images; nothing is decoded yet.
  /// - Throws: `ImageError`, `StreamError`.
  public func open(_ session: ToolSession, size: Int) throws -> ImageDataset {
    session.recordInput(name: images.path)
    let listing: ImageListing
    if images.isStandardInput {
      listing = try ImageListing(list: images.open().readAll(), name: "standard input")
    } else {
      listing = try ImageFolder.list(images.path)
      session.warnOfPassedOver(listing, in: images.path)
    }
    return ImageDataset(
      listing, size: size, plan: plan(seed: session.seed) ?? .center, allowUpscale: allowUpscale,
      decoding: decoding)
  }
}

extension ToolSession {
  /// Tells of images that are in formats that are not read: a data set may be smaller than it seems.
  public func warnOfPassedOver(_ listing: ImageListing, in folder: String) {
    let count = listing.passedOver.values.reduce(0, +)
    guard count > 0 else { return }
    let kinds = listing.passedOver.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }
    warn(
      "\(folder): expected PNG and JPEG images; found \(count) of other formats, passed over: "
        + "\(kinds.joined(separator: ", ")); try: convert them")
  }
}
