import Datasets
import Evaluation
import FeatureNetworks
import ForeignFiles
import FoundationEssentials
import Glibc
import ImageModels
import Images
import Metrics
import StreamFormat
import SuiteOptions
import TensorCore
import ToolRuntime

/// What an input turned out to hold.
enum LoadedInput {
  /// `stored` are statistics that the file has beside its images.
  case images(ImageSet, kind: String, stored: FeatureSet?)
  case features(FeatureSet)
}

/// Recognises the kind of an input and opens it.
struct InputLoader {
  let session: ToolSession
  let device: Device
  let tokenizer: Tokenizer?
  let options: InputOptions
  let sharding: ShardOptions
  /// Name of the network that images would be shown to.
  let network: String?

  func load(_ input: InputPath, as role: Role) throws -> LoadedInput {
    var isFolder = false
    if !input.isStandardInput, FileManager.default.fileExists(atPath: input.path, isDirectory: &isFolder),
      isFolder
    {
      return try folder(session.listImages(input), named: input.path, input, role)
    }
    // A pipe gives its bytes once: it is opened once, and what it begins with is kept.
    let source = try PeekedSource(session.open(input), count: 512)
    try session.requireUncompressed(source.peeked, of: input, expected: "images")
    if ArchiveReader.isTarArchive(source.peeked)
      || ArchiveReader.isArchive(source.peeked) && !NumPyArchive.isArchive(source.peeked)
    {
      let archive = try MappedFile(source)
      let listing = try ImageListing(archive: archive)
      session.warnOfPassedOver(listing, in: input.path)
      return try folder(listing, named: archive.name, input, role)
    }
    if let listing = try listing(source, input) {
      return try folder(listing.images, named: listing.folder, input, role)
    }
    return try ArchiveReader.isArchive(source.peeked)
      ? archive(source, input, role) : records(source, input, role)
  }

  /// The images of a table or of a .npy array, and what their names begin with; nil of any other file.
  private func listing(
    _ source: PeekedSource, _ input: InputPath
  ) throws -> (images: ImageListing, folder: String)? {
    switch ImageFileForm(source.peeked, of: input) {
    case .table:
      let folder = parentFolder(of: input.path)
      let images = try ImageListing(csv: source.readAll(), name: input.path, folder: FilePath(folder))
      try session.requireNoOutput(among: images.entries.lazy.compactMap { $0.source.path.map { "\($0)" } })
      return (images, folder)
    case .array where !ArchiveReader.isArchive(source.peeked):
      return (try ImageListing(array: MappedFile(source)), input.path)
    default: return nil
    }
  }

  /// - Parameter name: what the names of the images begin with.
  private func folder(
    _ listing: ImageListing, named name: String, _ input: InputPath, _ role: Role
  ) throws -> LoadedInput {
    let folder = FolderImages(
      listing: listing, folder: name, decoding: options.decoding.options)
    if role == .samples, !options.allowJPEG, let file = try folder.firstJPEG() {
      throw ToolError(
        .badData, file,
        expected: "PNG: JPEG's losses change every metric",
        found: "a JPEG among the samples",
        try: "save samples as PNG, or --allow-jpeg")
    }
    return try images(folder, input, kind: "folder", role)
  }

  private func archive(_ source: PeekedSource, _ input: InputPath, _ role: Role) throws -> LoadedInput {
    let archive = try NumPyArchive(MappedFile(source))
    // What is stored is what published results were computed with; see also NetworkIdentity.inception.
    let isOfInception = network == nil || network == NetworkIdentity.inception
    let stored = archive.arrays["mu"] != nil && isOfInception ? try storedStatistics(archive) : nil
    guard let items = try archive.items(of: "arr_0") else {
      if let stored { return .features(stored) }
      throw ToolError(
        .badData, input.path,
        expected: "arr_0 (images), or mu and sigma for network \(NetworkIdentity.inception)",
        found: shortened(archive.arrays.keys.sorted().map { visible($0) }.joined(separator: ", "), to: 200),
        try: "an ADM archive")
    }
    let (type, shape) = (items.header.elementType, items.header.shape)
    guard type == .uint8, shape.count == 4, shape[3] == 3, !shape.contains(0),
      shape[1] <= 1 << 16, shape[2] <= 1 << 16
    else {
      throw ToolError(
        .badData, "\(input.path): arr_0",
        expected: "uint8 [n, height, width, 3]",
        found: "\(type.rawValue) \(shape)",
        try: "images as ADM's samples have them")
    }
    if network == nil, let stored { return .features(stored) }
    return try images(
      ArchiveImages(name: input.path, items: items), input, kind: "archive", role, stored: stored)
  }

  private func storedStatistics(_ archive: NumPyArchive) throws -> FeatureSet {
    func statistics(_ mean: String, _ covariance: String) throws -> GaussianStatistics? {
      guard let mu = archive.arrays[mean], let sigma = archive.arrays[covariance] else { return nil }
      let isPair =
        mu.elementType.isFloatingPoint && sigma.elementType.isFloatingPoint && mu.shape.count == 1
        && mu.shape[0] > 0 && sigma.shape == [mu.shape[0], mu.shape[0]]
      guard isPair, let a = try archive.tensor(mean), let b = try archive.tensor(covariance) else {
        throw ToolError(
          .badData, archive.name,
          expected: "\(mean) [d] and \(covariance) [d, d] of floating point",
          found: "\(mu.elementType.rawValue) \(mu.shape) and \(sigma.elementType.rawValue) \(sigma.shape)",
          try: "ADM's reference files")
      }
      return try GaussianStatistics(
        count: nil, mean: a.doubles(), covariance: b.doubles(), of: archive.name)
    }
    let network = NetworkIdentity(
      name: NetworkIdentity.inception, weightsSHA256: "unknown", resize: "unknown")
    var set = FeatureSet(path: archive.name, kind: "statistics", network: network, count: nil)
    set.statistics = try statistics("mu", "sigma")
    set.spatialStatistics = try statistics("mu_s", "sigma_s")
    guard set.statistics != nil else {
      throw ToolError(
        .badData, archive.name,
        expected: "sigma beside mu",
        found: "mu alone",
        try: "ADM's reference files")
    }
    return set
  }

  private func records(_ source: PeekedSource, _ input: InputPath, _ role: Role) throws -> LoadedInput {
    let reader = session.reader(of: source)
    guard let first = try reader.next() else {
      throw FormatError(
        .noRecord, at: Origin(file: reader.name), expected: "tokens or features", found: "no record",
        hint: "make the file again")
    }
    try session.inherit(first)
    if try first.require(kind: .tokens, .features) == .features {
      if role == .reference, options.referencePart != .all, options.referenceImages == nil {
        throw ToolError(
          .usage, input.path,
          expected: "images, for --reference-part",
          found: "features, which are of one part already",
          try: "the option where the features are written")
      }
      return .features(try FeatureFileReader(path: input.path, device: device).read(first, then: reader.next))
    }
    guard let tokenizer else {
      throw ToolError(
        .usage, input.path,
        expected: "--tokenizer, to decode tokens with",
        found: "none",
        try: "name the tokenizer")
    }
    var batch = try TokenBatch(first)
    try session.requireDecodable(
      batch.header, of: input.path, by: tokenizer, of: options.tokenizer?.path ?? "the tokenizer")
    while let record = try reader.next() {
      let more = try TokenBatch(record)
      guard more.header == batch.header else {
        throw ToolError(
          .badData, "\(input.path): record \(record.origin.record ?? 0)",
          expected: "tokens as in the first record",
          found: "another codebook, grid or list of views or classes",
          try: "concatenate only files made alike")
      }
      batch.append(more)
    }
    batch.shard = reader.loneShard
    try sharding.requireWhole(batch.shard, of: input.path)
    return try images(
      TokenImages(name: input.path, batch: batch, tokenizer: tokenizer), input, kind: "tokens", role)
  }

  /// Takes the part of the reference that is wanted, and all samples.
  private func images(
    _ provider: some ImageProvider, _ input: InputPath, kind: String, _ role: Role,
    stored: FeatureSet? = nil
  ) throws -> LoadedInput {
    guard provider.count > 0 else {
      throw ToolError(
        .badData, input.path,
        expected: "at least one image",
        found: "none",
        try: "another input")
    }
    var items: [Int]?
    if role == .reference, options.referencePart != .all {
      let split = try options.heldOut.share.split(
        listed: provider.listedCount, present: provider.listedPlaces)
      items = options.referencePart == .heldOut ? split.heldOut : split.training
    }
    return .images(
      ImageSet(
        name: input.path, provider, items: items,
        crop: options.size.map { CropRule(size: $0, allowsUpscale: options.allowUpscale) }, on: device),
      kind: kind,
      // Statistics are of all images of the file.
      stored: items == nil ? stored : nil)
  }
}
