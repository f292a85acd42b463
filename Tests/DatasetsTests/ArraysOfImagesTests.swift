import Datasets
import ForeignFiles
import Images
import StreamFormat
import Testing
import TestSupport

/// Arrays of images, as NumPy stores them, with and without labels.
@Suite struct ArraysOfImagesTests {
  private func array(_ shape: [Int], labels: [UInt8]? = nil, type: ElementType = .uint8) throws -> [UInt8] {
    let sink = MemorySink()
    let writer = try NumPyArchiveWriter(sink)
    let pixels = (0..<shape.reduce(1, *) * type.byteCount).map { UInt8($0 % 251) }
    try writer.begin("arr_0", NumPyHeader(type, shape))
    try pixels.withUnsafeBytes { try writer.write($0) }
    if let labels {
      try writer.begin("arr_1", NumPyHeader(.uint8, [labels.count]))
      try labels.withUnsafeBytes { try writer.write($0) }
    }
    try writer.finish()
    return sink.bytes
  }

  @Test func anArrayHasPixelsAndLabels() throws {
    let bytes = try array([2, 3, 4, 3], labels: [5, 2])
    let listing = try ImageListing(array: MappedFile(bytes, name: "a.npz"))
    #expect(listing.classNames.count == 6 && listing.entries.map(\.label) == [5, 2])
    let image = try ImageDecoder.decode(listing.entries[1].source, options: DecodingOptions())
    #expect(image.width == 4 && image.height == 3 && image.pixels == (36..<72).map { UInt8($0) })
    #expect(listing.entries[1].name == "a.npz: arr_0: image 1")
    let plain = NumPyHeader(.uint8, [1, 1, 2, 3]).bytes + [1, 2, 3, 4, 5, 6]
    let one = try ImageListing(array: MappedFile(plain, name: "a.npy"), classCount: 4)
    #expect(one.classNames.count == 4 && one.entries.map(\.label) == [0])
  }

  /// Labels under another name would be lost, and all images of one class.
  @Test func otherArraysBesideTheImagesAreRefused() throws {
    let sink = MemorySink()
    let writer = try NumPyArchiveWriter(sink)
    for (name, shape) in [("arr_0", [2, 1, 1, 3]), ("labels", [2])] {
      try writer.begin(name, NumPyHeader(.uint8, shape))
      try [UInt8](repeating: 1, count: shape.reduce(1, *)).withUnsafeBytes { try writer.write($0) }
    }
    try writer.finish()
    #expect { try ImageListing(array: MappedFile(sink.bytes, name: "a.npz")) } throws: {
      "\($0)".contains("expected images in arr_0 and labels in arr_1; found 'labels' beside arr_0")
    }
  }

  @Test(arguments: [1 << 31, 1 << 62, -1, 1 << 16] as [Int64]) func labelsHaveABound(label: Int64) throws {
    let sink = MemorySink()
    let writer = try NumPyArchiveWriter(sink)
    try writer.begin("arr_0", NumPyHeader(.uint8, [1, 1, 1, 3]))
    try [UInt8]([1, 2, 3]).withUnsafeBytes { try writer.write($0) }
    try writer.begin("arr_1", NumPyHeader(.int64, [1]))
    try [label].withUnsafeBytes { try writer.write($0) }
    try writer.finish()
    #expect {
      try ImageListing(array: MappedFile(sink.bytes, name: "a.npz"))
    } throws: {
      "\($0)".contains("a.npz: arr_1: malformed; expected labels from 0 to 65535; found \(label) for image 0")
    }
  }

  @Test func anArrayOfOtherThingsIsRefused() throws {
    for bytes in [
      try array([2, 3, 4]), try array([2, 3, 4, 1]), try array([2, 0, 4, 3]),
      try array([2, 3, 4, 3], type: .float32), try array([2, 3, 4, 3], labels: [1]),
      NumPyHeader(.uint8, [1, 1, 2, 3]).bytes + [1, 2, 3, 4, 5],
      NumPyHeader(.uint8, [1 << 40, 1, 2, 3]).bytes,
    ] {
      #expect(throws: ForeignFileError.self) { try ImageListing(array: MappedFile(bytes, name: "a")) }
    }
    #expect(throws: ImageError.self) {
      try ImageListing(array: MappedFile(try array([0, 3, 4, 3]), name: "a"))
    }
  }
}
