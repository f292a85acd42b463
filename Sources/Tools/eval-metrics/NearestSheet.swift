import Evaluation
import Images
import Metrics
import StreamFormat
import TensorCore
import ToolRuntime

/// The first samples, each beside its nearest references in the network's features.
struct NearestSheet {
  /// References beside each sample.
  let count: Int
  /// Samples on the sheet, at most.
  let samples: Int
  let device: Device
  /// How the sheet looks.
  let sheet: ContactSheet

  /// One row per sample: the sample, then its nearest references, nearest first.
  func rows(reference: PicturedFeatures, samples side: PicturedFeatures) throws -> [[RGBImage]] {
    let (references, sampled) = (try reference.matrix(), try side.matrix())
    let shown = min(samples, sampled.count)
    let neighbours = try NearestNeighbours(
      min(count, references.count), of: sampled.rows(0..<shown), in: references, on: device)
    let nearest = (0..<shown).map { neighbours[$0].map(\.index) }
    // Before they are read: images of a sheet that is too large may fill the machine.
    if let first = try side.pictures(0..<1).first {
      _ = try sheet.size(
        rows: shown, columns: 1 + min(count, references.count), imageWidth: first.width,
        imageHeight: first.height)
    }
    // All at once: an archive is read from its start for each call.
    let pictures = try reference.pictures(nearest.flatMap { $0 })
    var next = pictures[...]
    return try zip(nearest, side.pictures(0..<shown)).map { row, sample in
      let neighbours = Array(next.prefix(row.count))
      next = next.dropFirst(row.count)
      guard neighbours.allSatisfy({ $0.width == sample.width && $0.height == sample.height }) else {
        throw ToolError(
          .badData, "--nearest-sheet",
          expected: "both sides of one size",
          found: "other sizes",
          try: "--size, to crop both alike")
      }
      return [sample] + neighbours
    }
  }
}

/// The features of one side, and the images that they are of.
struct PicturedFeatures {
  let features: FeatureSet
  let images: ImageSet

  /// One row per image.
  func matrix() throws -> FeatureMatrix {
    guard let matrix = features.features else {
      throw ToolError(
        .badData, features.path,
        expected: "each image's features, for --nearest-sheet",
        found: "statistics",
        try: "--write-features")
    }
    guard matrix.count == images.count else {
      throw otherImages("\(matrix.count) images", "\(images.count)")
    }
    return matrix
  }

  /// The images at some places. Features name their images by hashes: others must not pass for them.
  func pictures(_ places: some Collection<Int>) throws -> [RGBImage] {
    let pictures = try images.images(places)
    for (picture, place) in zip(pictures, places) {
      if let hashes = features.pixelHashes, SHA256Hasher.hex(of: picture.pixels) != hashes[place] {
        throw otherImages("image \(place) to have the pixels that its features were made of", "others")
      }
    }
    return pictures
  }

  private func otherImages(_ expected: String, _ found: String) -> ToolError {
    ToolError(
      .badData, images.name,
      expected: "\(expected), as in \(features.path)",
      found: found,
      try: "the images, --size and --reference-part that the features were written with")
  }
}
