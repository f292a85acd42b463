import ForeignFiles
import FoundationEssentials
import Glibc
import Images
import StreamFormat

extension ImageListing {
  /// The images of an array, uint8 [images, height, width, 3], in place: of an `.npy` file, or `arr_0` of an `.npz` archive, as
  /// ADM's samples are, with the labels in `arr_1` if there are any. Without labels all images are of one class, 0.
  /// - Parameter classCount: how many classes there are; nil for the largest label and one.
  /// - Throws: `ForeignFileError`, `ImageError`, `StreamError`.
  public init(array file: MappedFile, classCount: Int? = nil) throws {
    var labels: [Int]?
    var place = file.name
    let elements: StoredElements
    if ArchiveReader.isArchive(file.bytes.prefix(4)) {
      let archive = try NumPyArchive(file)
      place += ": arr_0"
      guard let images = try archive.elements(of: "arr_0") else {
        throw ForeignFileError(
          defect: .malformed, file: file.name, offset: nil, expected: "arr_0, an array of images",
          found: archive.arrays.keys.sorted().prefix(8).joined(separator: ", "),
          hint: "write it with numpy.savez(file, images, labels)")
      }
      elements = images
      labels = try Self.labels(archive, classCount ?? Self.largestLabel + 1)
    } else {
      elements = try StoredElements(file.bytes, name: file.name)
    }
    let (type, shape) = (elements.header.elementType, elements.header.shape)
    guard type == .uint8, shape.count == 4, shape[3] == 3, !shape[1...].contains(0),
      !elements.header.isFortran,
      shape[1] <= ImageDecoder.maximumSide, shape[2] <= ImageDecoder.maximumSide
    else {
      throw ForeignFileError(
        defect: .malformed, file: place, offset: nil,
        expected: "uint8 [images, height, width, 3] in C order, sides up to \(ImageDecoder.maximumSide)",
        found: "\(type.rawValue) \(shape)\(elements.header.isFortran ? " in Fortran order" : "")",
        hint: "save images as ADM's samples are")
    }
    guard labels == nil || labels?.count == shape[0] else {
      throw ForeignFileError(
        defect: .malformed, file: file.name, offset: nil,
        expected: "a label in arr_1 for each of \(shape[0]) images",
        found: "\(labels?.count ?? 0)", hint: "write the archive again")
    }
    let size = shape[1] * shape[2] * 3
    let images = (0..<shape[0]).map { item in
      let first = elements.bytes.startIndex + item * size
      let pixels = elements.bytes[first..<first + size]
      return (
        source: ImageSource.pixels(
          name: "\(place): image \(item)", width: shape[2], height: shape[1], bytes: pixels),
        label: labels?[item] ?? 0
      )
    }
    try self.init(numbered: images, classCount: classCount, name: place)
  }

  /// The labels of an archive, which must be below a number; nil where it has none.
  private static func labels(_ archive: NumPyArchive, _ limit: Int) throws -> [Int]? {
    guard let array = try archive.tensor("arr_1") else {
      // Statistics of references may stand beside the images; another array may well be the labels.
      let known: Set = ["arr_0", "mu", "sigma", "mu_s", "sigma_s"]
      guard let other = archive.arrays.keys.sorted().first(where: { !known.contains($0) }) else { return nil }
      throw ForeignFileError(
        defect: .malformed, file: archive.name, offset: nil, expected: "images in arr_0 and labels in arr_1",
        found: "'\(other.prefix(80))' beside arr_0", hint: "numpy.savez(file, images, labels)")
    }
    func refuse(_ expected: String, _ found: String, _ hint: String) -> ForeignFileError {
      ForeignFileError(
        defect: .malformed, file: "\(archive.name): arr_1", offset: nil, expected: expected, found: found,
        hint: hint)
    }
    guard let labels = try? array.integers() else {
      throw refuse(
        "labels, which are integers", "\(array.elementType.rawValue) \(array.shape)", "save them as int64")
    }
    if let image = labels.firstIndex(where: { !(0..<limit).contains($0) }) {
      throw refuse(
        "labels from 0 to \(limit - 1)", "\(labels[image]) for image \(image)",
        "labels that are counted from 0")
    }
    return labels
  }
}
