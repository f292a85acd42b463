import Foundation
@testable import Images
import TestSupport

/// Files beside the tests.
enum Fixture {
  static let folder = URL(filePath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().appending(path: "Fixtures/images")

  static func bytes(_ name: String) throws -> [UInt8] {
    [UInt8](try Data(contentsOf: folder.appending(path: name)))
  }

  static func image(_ name: String) throws -> RGBImage {
    try ImageDecoder.decode(bytes(name), name: name)
  }

  /// Byte tensors [height, width, 3] of a safetensors file.
  static func tensors(_ name: String) throws -> (images: [String: RGBImage], size: Int) {
    let data = try bytes(name)
    let headerSize = data[0..<8].reversed().reduce(0) { $0 << 8 | Int($1) }
    let header = try JSONSerialization.jsonObject(with: Data(data[8..<8 + headerSize])) as! [String: Any]
    var images: [String: RGBImage] = [:]
    for case (let key, let tensor as [String: Any]) in header where key != "__metadata__" {
      let shape = tensor["shape"] as! [Int]
      let offsets = (tensor["data_offsets"] as! [Int]).map { 8 + headerSize + $0 }
      images[key] = RGBImage(
        width: shape[1], height: shape[0], pixels: Array(data[offsets[0]..<offsets[1]]))
    }
    let metadata = header["__metadata__"] as! [String: String]
    return (images, Int(metadata["size"]!)!)
  }
}

/// A small generator with a fixed seed (SplitMix64), so that a failing mutation can be found again.
struct SeededGenerator: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}

func randomImage(_ width: Int, _ height: Int, seed: UInt64) -> RGBImage {
  var generator = SeededGenerator(state: seed)
  return RGBImage(
    width: width, height: height,
    pixels: (0..<width * height * 3).map { _ in UInt8.random(in: 0...255, using: &generator) })
}

/// The largest difference of any sample.
func largestDifference(_ a: RGBImage, _ b: RGBImage) -> Int {
  guard a.width == b.width, a.height == b.height else { return Int.max }
  return zip(a.pixels, b.pixels).map { abs(Int($0) - Int($1)) }.max() ?? 0
}

/// A fresh folder that is removed when `body` returns.
func withTemporaryFolder<Result>(_ body: (URL) throws -> Result) throws -> Result {
  let folder = FileManager.default.temporaryDirectory.appending(path: "images-" + UUID().uuidString)
  try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(at: folder) }
  return try body(folder)
}
