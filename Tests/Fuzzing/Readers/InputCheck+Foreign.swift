import Datasets
import ForeignFiles
import Images
import StreamFormat

/// Readers of files that other programs write.
extension InputCheck {
  func checkWeights(_ bytes: [UInt8]) throws {
    if ArchiveReader.isArchive(bytes) { try checkNumPyArchive(bytes) }
    let weights = try ForeignWeights(bytes, file: "input")
    for name in weights.names {
      guard let tensor = try weights.tensor(name) else {
        throw WrongResult("'\(name)' is listed and not there")
      }
      try expect(weights.shape(name) == tensor.shape, "'\(name)' has two shapes")
      if tensor.elementType.isFloatingPoint { try checkFloats(tensor) }
    }
  }

  private func checkFloats(_ tensor: StoredTensor) throws {
    var values = [Float](repeating: 0, count: tensor.elementCount)
    try values.withUnsafeMutableBufferPointer { try tensor.copyFiniteFloats(into: $0) }
    try expect(values.allSatisfy(\.isFinite), "'\(tensor.name)' passed as finite, and is not")
  }

  /// The archive as `eval-metrics` reads it; not every archive of weights is one.
  private func checkNumPyArchive(_ bytes: [UInt8]) throws {
    let archive = try NumPyArchive(MappedFile(bytes, name: "input"))
    for name in archive.arrays.keys.sorted() {
      let tensor = try archive.tensor(name)
      guard let items = try? archive.items(of: name) else { continue }
      var joined: [UInt8] = []
      for index in 0..<min(items.count, 1000) { joined += try items.item(index) }
      try items.finish()
      if items.count <= 1000 {
        try expect(joined == tensor?.bytes ?? [], "the items of '\(name)' are not the array")
      }
    }
  }

  func checkImage(_ bytes: [UInt8]) throws {
    let image = try ImageDecoder.decode(bytes, name: "input")
    try expect(image.pixels.count == 3 * image.width * image.height, "pixels for another size")
    try expect(image.width > 0 && image.height > 0, "an image without pixels")
    let other = try ImageDecoder.decode(bytes, name: "input", options: .llamaGen)
    try expect(other.pixels.count == image.pixels.count, "the same file in two sizes")
    guard image.width * image.height < 1 << 18 else { return }
    let again = try ImageDecoder.decode(try PNGEncoder.encode(image), name: "input")
    try expect(again == image, "written again, the image is another")
  }

  private func requireSound(_ listing: ImageListing) throws {
    try expect(!listing.entries.isEmpty, "a list without images")
    try expect(
      listing.entries.allSatisfy { listing.classNames.indices.contains($0.label) },
      "a label beyond the classes")
    try expect(Set(listing.classNames).count == listing.classNames.count, "a class twice")
  }

  func checkImageTable(_ bytes: [UInt8]) throws {
    let listing = try ImageListing(csv: bytes, name: "input", folder: FilePath("/f"))
    try requireSound(listing)
    func quoted(_ field: [UInt8]) -> [UInt8] {
      [0x22] + field.flatMap { $0 == 0x22 ? [0x22, 0x22] : [$0] } + [0x22]
    }
    // The path is kept as bytes, and the class as text.
    let text: [UInt8] = listing.entries.reduce(into: Array("path,label\n".utf8)) { text, entry in
      text +=
        quoted(entry.path?.bytes ?? []) + [0x2C] + quoted(Array(listing.classNames[entry.label].utf8)) + [
          0x0A
        ]
    }
    let again = try ImageListing(
      csv: text, name: "input", folder: FilePath("/f"), classCount: listing.classNames.count)
    try expect(again == listing, "written again, the table is another")
  }

  func checkImageArchive(_ bytes: [UInt8]) throws {
    let listing = try ImageListing(archive: MappedFile(bytes, name: "input"))
    try requireSound(listing)
    let total = try listing.entries.reduce(0) { $0 + (try $1.source.contents()).count }
    try expect(total <= 64 * bytes.count + 1 << 28, "images that unpack to \(total) bytes")
    for entry in listing.entries.prefix(4) {
      _ = try ImageDecoder.decode(entry.source, options: DecodingOptions())
    }
  }

  func checkImageList(_ bytes: [UInt8]) throws {
    let listing = try ImageListing(list: bytes, name: "input")
    try requireSound(listing)
    let text: [UInt8] = listing.entries.reduce(into: []) { text, entry in
      text += entry.path?.bytes ?? []
      text += Array("\t\(listing.classNames[entry.label])\0".utf8)
    }
    let again = try ImageListing(list: text, name: "input")
    // A carriage return or a line feed in a name needs zeros between the entries, which `text` has.
    try expect(again == listing, "written again, the list is another")
  }
}
