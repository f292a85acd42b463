/// A kind of input that is mutated: how its files are changed, and who reads them.
public enum FuzzKind: String, CaseIterable, Sendable {
  /// The suite's container, whatever it holds; plain safetensors files too.
  case container
  case tokens
  case mapping
  case tokenizer
  case arModel = "ar-model"
  case fineModel = "fine-model"
  /// A transformer of several scales.
  case varModel = "var-model"
  /// Features, and statistics of them.
  case features
  case checkpoint
  /// Pickles: torch's older files, and numpy's.
  case pickle
  /// Zip archives: torch's newer files, and `.npz`.
  case zip
  case npy
  case png
  case jpeg
  /// Lists of images and their classes.
  case imageList = "image-list"
  /// Tables of images and their classes.
  case imageTable = "image-table"
  /// Archives of images, in folders or as a webdataset.
  case imageArchive = "image-archive"
  /// Class numbers, one a line.
  case labels
  /// Requests for images, a line of JSON each.
  case requests
}

extension FuzzKind {
  /// A mutated file; the same random numbers give the same file.
  /// - Parameter other: another seed of the kind.
  public func mutate(_ seed: [UInt8], other: [UInt8], with random: inout MutationRandom) -> [UInt8] {
    // What is beneath checksums is changed most often, and the bytes as stored now and then.
    if random.once(in: 7) { return ByteMutation.mutate(seed, with: &random, other: other) }
    switch self {
    case .container, .tokens, .mapping, .tokenizer, .arModel, .fineModel, .varModel, .features,
      .checkpoint:
      return RecordMutation.mutate(seed, with: &random)
        ?? ByteMutation.mutate(seed, with: &random, other: other)
    case .pickle: return PickleMutation.mutate(seed, with: &random, other: other)
    case .zip, .imageArchive:
      return ZipMutation.mutate(seed, with: &random) ?? ByteMutation.mutate(seed, with: &random, other: other)
    case .npy: return NumPyMutation.mutate(seed, with: &random)
    case .png: return PNGMutation.mutate(seed, with: &random)
    case .jpeg: return JPEGMutation.mutate(seed, with: &random)
    case .imageList, .imageTable, .labels, .requests:
      let words = [
        "\t", "\n", "\0", "\r\n", "..", "/", "\t\t", " ", "-1", "99999999999999999999", "\u{FEFF}", "\"", ",",
        "\"\"",
      ].map { Array($0.utf8) }
      return random.once(in: 2)
        ? TextMutation.mutate(seed, with: &random)
        : ByteMutation.mutate(seed, with: &random, words: words + [[0xFF], [0xC3, 0x28]], other: other)
    }
  }

  /// The `number`-th file of a campaign.
  public func input(seed: UInt64, number: Int, of seeds: [[UInt8]]) -> [UInt8] {
    var random = MutationRandom(seed: seed, kind: rawValue, number: UInt64(number))
    let file = random.pick(seeds)
    return mutate(file, other: random.pick(seeds), with: &random)
  }
}
