/// Numbers of duplicate images.
public struct Duplicates: Sendable, Equatable {
  /// Samples that equal an earlier sample.
  public let withinSamples: Int
  /// Samples that equal an image of the reference; nil if the images of the reference are not available.
  public let inReference: Int?

  /// Counts by equality of keys, such as pixels' hashes or rows of features.
  public init<Key: Hashable>(samples: some Sequence<Key>, reference: (some Sequence<Key>)?) {
    let known = reference.map { Set($0) }
    var seen: Set<Key> = []
    var (repeated, copied) = (0, 0)
    for key in samples {
      if !seen.insert(key).inserted { repeated += 1 }
      if known?.contains(key) == true { copied += 1 }
    }
    withinSamples = repeated
    inReference = known == nil ? nil : copied
  }
}
