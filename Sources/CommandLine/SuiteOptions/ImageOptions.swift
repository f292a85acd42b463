import ArgumentParser
import Datasets
import Images
import StreamFormat
import ToolRuntime

/// The options of tools that read images: the source of the images, and how views are made of them.
public struct ImageOptions: ParsableArguments {
  @Argument(
    help: ArgumentHelp(
      "Folder with one sub-folder per class, or folder of images; a zip or tar archive of one, or a webdataset; an .npz or "
        + ".npy array; a .csv table of paths and classes; or '-' for an archive or array on standard input, or for a list with "
        + "one path per line, optionally followed by a tab and a class.", valueName: "images"))
  public var images: InputPath

  @Option(
    help:
      "Number of classes, where classes are numbers: in a webdataset, an array or a table. (default: the largest + 1)"
  )
  public var classes: Int?

  @Option(help: "Views per image: center, flip (center and its mirror image), ten-crop or random-crop.")
  public var views = "center"

  @Option(
    help: ArgumentHelp(
      "Side of the square that ten crops are cut from, as a multiple of the size, from 1 to 4.",
      valueName: "ratio"))
  public var tenCropRatio = 1.1

  @Option(help: "Number of random crops per image, from 1 to 1024, drawn by --seed. (default: 8)")
  public var viewCount: Int?

  @Option(
    help: "Smallest and largest area of a random crop, as shares of the image. (default: 0.08,1)",
    transform: NumberRange.parse)
  public var cropScale: NumberRange?

  @Option(
    help: "Smallest and largest ratio of width to height of a random crop. (default: 3/4 and 4/3)",
    transform: NumberRange.parse)
  public var cropRatio: NumberRange?

  @Option(help: "Probability that a random crop is mirrored, from 0 to 1. (default: 0.5)")
  public var cropMirrorRate: Double?

  @Flag(help: "Enlarge images that are smaller than the crop; otherwise they are an error.")
  public var allowUpscale = false

  @Flag(help: "Skip images that cannot be used, and report and count them; otherwise they are an error.")
  public var skipUnreadable = false

  @OptionGroup public var decoding: DecodingFlags

  public init() {}

  /// Checks views and ratio.
  public func validate() throws {
    // This check must come first, because `plan` expects valid numbers.
    try validateCrops()
    if plan(seed: 0) == nil {
      throw ValidationError("--views must be center, flip, ten-crop or random-crop, not '\(views)'.")
    }
    if !(1...ImageListing.largestLabel + 1).contains(classes ?? 1) {
      throw ValidationError("--classes must be from 1 to \(ImageListing.largestLabel + 1).")
    }
    if !(1...4).contains(tenCropRatio) { throw ValidationError("--ten-crop-ratio must be from 1 to 4.") }
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

  /// Lists the images; nothing is decoded yet.
  /// - Throws: As `ToolSession.listImages(_:classCount:)`.
  public func open(_ session: ToolSession, size: Int) throws -> ImageDataset {
    ImageDataset(
      try session.listImages(images, classCount: classes),
      ImageReading(
        size: size, views: plan(seed: session.seed) ?? .center, allowUpscale: allowUpscale,
        decoding: decoding.options
      ))
  }
}
