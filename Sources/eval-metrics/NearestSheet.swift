import Images
import Metrics
import StreamFormat
import TensorCore
import ToolKit

/// The first samples, each beside its nearest references in the network's features.
struct NearestSheet {
  /// References beside each sample.
  let count: Int
  /// Samples on the sheet, at most.
  let samples: Int
  let device: Device

  /// A row a sample: itself, then its nearest references, nearest first.
  func rows(
    images: (reference: ImageSet, samples: ImageSet), features: (reference: FeatureSet, samples: FeatureSet)
  ) throws -> [[RGBImage]] {
    guard let references = features.reference.features, let sampled = features.samples.features else {
      throw ToolError(
        .badData,
        "--nearest-sheet: expected each image's features; found statistics; try: --write-features for the reference"
      )
    }
    guard images.reference.count == references.count else {
      throw otherImages(
        of: features.reference, images.reference, "\(references.count) images", "\(images.reference.count)")
    }
    let shown = min(samples, images.samples.count)
    let nearest = try NearestNeighbours(
      min(count, references.count), of: sampled.rows(0..<shown), in: references, on: device)
    return try zip(0..<shown, images.samples.images(0..<shown)).map { index, sample in
      let places = nearest[index].map(\.index)
      let neighbours = try images.reference.images(places)
      try requireSameSize(sample, neighbours)
      try requireKnown(neighbours, places, images.reference, features.reference)
      return [sample] + neighbours
    }
  }

  private func requireSameSize(_ sample: RGBImage, _ neighbours: [RGBImage]) throws {
    guard neighbours.allSatisfy({ $0.width == sample.width && $0.height == sample.height }) else {
      throw ToolError(
        .badData,
        "--nearest-sheet: expected both sides of one size; found other sizes; try: --size, to crop both alike"
      )
    }
  }

  /// Features name their images by hashes: pictures of others would pass for neighbours.
  private func requireKnown(
    _ neighbours: [RGBImage], _ places: [Int], _ images: ImageSet, _ set: FeatureSet
  ) throws {
    guard let hashes = set.pixelHashes else { return }
    for (image, place) in zip(neighbours, places) where SHA256Hasher.hex(of: image.pixels) != hashes[place] {
      throw otherImages(of: set, images, "image \(place) as its features were made of it", "other pixels")
    }
  }

  private func otherImages(
    of set: FeatureSet, _ images: ImageSet, _ expected: String, _ found: String
  ) -> ToolError {
    ToolError(
      .badData,
      "\(images.name): expected \(expected), for \(set.path); found \(found); try: the images, --size and "
        + "--reference-part that the features were made with")
  }
}
