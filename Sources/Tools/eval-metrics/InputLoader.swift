import Datasets
import Evaluation
import FeatureNetworks
import ForeignFiles
import Foundation
import ImageModels
import Images
import Metrics
import StreamFormat
import SuiteOptions
import TensorCore
import ToolRuntime

/// What an input turned out to hold.
enum LoadedInput {
  case images(ImageSet, kind: String)
  case features(FeatureSet)
}

/// Finds out what an input is, and opens it.
struct InputLoader {
  let session: ToolSession
  let device: Device
  let tokenizer: Tokenizer?
  let options: InputOptions
  /// Name of the network that images would be shown to.
  let network: String?

  func load(_ input: InputPath, as role: Role) throws -> LoadedInput {
    var isFolder: ObjCBool = false
    if !input.isStandardInput, FileManager.default.fileExists(atPath: input.path, isDirectory: &isFolder),
      isFolder.boolValue
    {
      return try folder(input, role)
    }
    if !input.isStandardInput, try startsLikeArchive(input) { return try archive(input, role) }
    return try records(input, role)
  }

  private func folder(_ input: InputPath, _ role: Role) throws -> LoadedInput {
    session.recordInput(name: input.path)
    let folder = FolderImages(listing: try ImageFolder.list(input.path), folder: input.path)
    session.warnOfPassedOver(folder.listing, in: input.path)
    if role == .samples, !options.allowJPEG, let file = try folder.firstJPEG() {
      throw ToolError(
        .badData,
        "\(file): expected PNG: JPEG's losses change every metric; found a JPEG among the samples; try: save samples as "
          + "PNG, or --allow-jpeg")
    }
    return try images(folder, input, kind: "folder", role)
  }

  private func archive(_ input: InputPath, _ role: Role) throws -> LoadedInput {
    _ = try session.open(input)
    let archive = try ZipArchive(mapped(input.path), file: input.path)
    // What is stored is what published results were computed with; see also NetworkIdentity.inception.
    if archive.names.contains("mu.npy"), network == nil || network == NetworkIdentity.inception {
      return .features(try storedStatistics(archive, input.path))
    }
    guard let file = try archive.member("arr_0.npy") else {
      throw ToolError(
        .badData,
        "\(input.path): expected arr_0 (images), or mu and sigma for network \(NetworkIdentity.inception); found "
          + shortened(archive.names.map { visible($0) }.joined(separator: ", "), to: 200)
          + "; try: an ADM archive")
    }
    let array = try NumPyArray(file, name: "\(input.path): arr_0")
    guard array.type == "|u1", array.shape.count == 4, array.shape[3] == 3, !array.shape.contains(0) else {
      throw ToolError(
        .badData,
        "\(input.path): arr_0: expected uint8 [n, height, width, 3]; found \(array.type) \(array.shape); try: images as "
          + "ADM's samples have them")
    }
    return try images(ArchiveImages(name: input.path, array: array), input, kind: "archive", role)
  }

  /// A file's bytes, read as they are needed: archives of images can be larger than the memory.
  private func mapped(_ path: String) throws -> Data {
    do {
      return try Data(contentsOf: URL(fileURLWithPath: path), options: .alwaysMapped)
    } catch {
      throw StreamError.readFailed(file: path, errno: EIO)
    }
  }

  private func storedStatistics(_ archive: ZipArchive<Data>, _ path: String) throws -> FeatureSet {
    func statistics(_ mean: String, _ covariance: String) throws -> GaussianStatistics? {
      guard let first = try archive.member(mean + ".npy"),
        let second = try archive.member(covariance + ".npy")
      else {
        return nil
      }
      let (mu, sigma) = (
        try NumPyArray(first, name: "\(path): \(mean)"),
        try NumPyArray(second, name: "\(path): \(covariance)")
      )
      guard let a = mu.doubles, let b = sigma.doubles, mu.shape.count == 1, a.count > 0,
        sigma.shape == [a.count, a.count]
      else {
        throw ToolError(
          .badData,
          "\(path): expected \(mean) [d] and \(covariance) [d, d] of floating point; found \(mu.type) \(mu.shape) and "
            + "\(sigma.type) \(sigma.shape); try: ADM's reference files")
      }
      return try GaussianStatistics(count: nil, mean: a, covariance: b)
    }
    let network = NetworkIdentity(
      name: NetworkIdentity.inception, weightsSHA256: "unknown", resize: "unknown")
    var set = FeatureSet(path: path, kind: "statistics", network: network, count: nil)
    set.statistics = try statistics("mu", "sigma")
    set.spatialStatistics = try statistics("mu_s", "sigma_s")
    guard set.statistics != nil else {
      throw ToolError(
        .badData, "\(path): expected sigma beside mu; found mu alone; try: ADM's reference files")
    }
    return set
  }

  private func records(_ input: InputPath, _ role: Role) throws -> LoadedInput {
    let reader = try session.openRecords(input)
    guard let first = try reader.next() else {
      throw FormatError(
        .noRecord, at: Origin(file: reader.name), expected: "tokens or features", found: "no record",
        hint: "make the file again")
    }
    try session.inherit(first)
    if try first.require(kind: .tokens, .features) == .features {
      if role == .reference, options.referencePart != .all, options.referenceImages == nil {
        throw ToolError(
          .usage,
          "\(input.path): expected images, for --reference-part; found features, which are of one part already; try: "
            + "the option where the features are written")
      }
      return .features(try FeatureFileReader(path: input.path, device: device).read(first, then: reader.next))
    }
    guard let tokenizer else {
      throw ToolError(
        .usage,
        "\(input.path): expected --tokenizer, to decode tokens with; found none; try: name the tokenizer")
    }
    var batch = try TokenBatch(first)
    try session.requireSameCodebook(
      batch.header.codebookSHA256, of: input.path, as: tokenizer.codebookSHA256,
      of: options.tokenizer?.path ?? "")
    while let record = try reader.next() {
      let more = try TokenBatch(record)
      guard more.header == batch.header else {
        throw ToolError(
          .badData,
          "\(input.path): record \(record.origin.record ?? 0): expected tokens as in the first record; found another "
            + "codebook, grid or list of views or classes; try: concatenate only files made alike")
      }
      batch.append(more)
    }
    return try images(
      TokenImages(name: input.path, batch: batch, view: 0, tokenizer: tokenizer), input, kind: "tokens", role)
  }

  /// Takes the part of the reference that is wanted, and all samples.
  private func images(
    _ provider: some ImageProvider, _ input: InputPath, kind: String, _ role: Role
  ) throws -> LoadedInput {
    guard provider.count > 0 else {
      throw ToolError(.badData, "\(input.path): expected at least one image; found none; try: another input")
    }
    var items: [Int]?
    if role == .reference, options.referencePart != .all {
      let split = try HeldOutSplit(
        listed: provider.listedCount, present: provider.listedPlaces, fraction: options.heldOut,
        seed: options.splitSeed)
      items = options.referencePart == .heldOut ? split.heldOut : split.training
    }
    return .images(
      ImageSet(name: input.path, provider, items: items, cropSize: options.size, on: device), kind: kind)
  }

  private func startsLikeArchive(_ input: InputPath) throws -> Bool {
    let source = try input.open()
    var start = [UInt8](repeating: 0, count: 4)
    let count = try start.withUnsafeMutableBytes { try source.read(into: $0) }
    return count == 4 && start == zipSignature
  }
}
