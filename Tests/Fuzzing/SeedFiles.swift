import Foundation

/// The files from which mutated ones are made, and those that tools need beside them.
public struct SeedFiles: Sendable {
  /// The folder that has a folder for each kind.
  public let folder: URL
  private let files: [FuzzKind: [[UInt8]]]

  /// There is no seed for a kind.
  public struct Missing: Error, CustomStringConvertible {
    public let description: String
  }

  /// Reads the seeds of all kinds.
  /// - Parameter root: the repository.
  /// - Throws: ``Missing``, and Foundation's errors.
  public init(root: URL) throws {
    folder = root.appending(path: "Tests/FuzzCorpus")
    let places = Self.borrowed.mapValues { $0.map { root.appending(path: "Tests").appending(path: $0) } }
    var files: [FuzzKind: [[UInt8]]] = [:]
    for kind in FuzzKind.allCases {
      let own = try Self.names(in: folder.appending(path: kind.rawValue))
      let all = try own + (places[kind] ?? []).flatMap { try Self.isFolder($0) ? Self.names(in: $0) : [$0] }
      files[kind] = try all.filter { Self.isSeed($0) }.map { [UInt8](try Data(contentsOf: $0)) }
      if files[kind]!.isEmpty {
        throw Missing(description: "\(folder.path)/\(kind.rawValue): expected a seed; found none")
      }
    }
    self.files = files
  }

  /// The seeds of a kind, in the order of their names.
  public subscript(kind: FuzzKind) -> [[UInt8]] { files[kind] ?? [] }

  /// Files of other tests that are seeds too.
  private static let borrowed: [FuzzKind: [String]] = [
    .container: ["Corpus"],
    .pickle: ["numpy.protocol2.pkl", "numpy.protocol4.pkl", "numpy.protocol5.pkl", "plain.legacy.pt"].map {
      "Fixtures/networks/" + $0
    },
    .zip: ["checkpoint.zip.pt", "plain.zip.pt", "storage-flip.pt", "two.npz", "compressed.npz"].map {
      "Fixtures/networks/" + $0
    },
    .npy: ["c-order.npy", "fortran-order.npy"].map { "Fixtures/networks/" + $0 },
    .png: [
      "bilevel.png", "color-key.png", "exif-6.png", "grey-alpha.png", "grey16.png", "interlaced.png",
      "palette.png", "rgb16.png",
      "rgba.png",
    ].map { "Fixtures/images/" + $0 },
    .jpeg: ["cmyk.jpg", "exif-1.jpg", "grey.jpg", "photo.jpg", "progressive.jpg", "ycck.jpg"].map {
      "Fixtures/images/" + $0
    },
  ]

  private static func isSeed(_ file: URL) -> Bool {
    !["py", "md", "txt"].contains(file.pathExtension) || file.path.contains("FuzzCorpus")
  }

  private static func isFolder(_ url: URL) -> Bool {
    (try? url.resourceValues(forKeys: [.isDirectoryKey]).isDirectory) ?? false
  }

  private static func names(in folder: URL) throws -> [URL] {
    guard FileManager.default.fileExists(atPath: folder.path) else { return [] }
    return try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
      .sorted { $0.lastPathComponent < $1.lastPathComponent }
  }
}
