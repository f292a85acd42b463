import Images
import ToolRuntime

/// Which sample is which reference's partner. Two folders are paired by the images' names, without endings; a folder that
/// `detokenize --folder` wrote numbers its images, and these numbers are an order. Where a side has no names, the order
/// counts.
struct Pairing {
  /// The place of each reference's partner among the samples.
  let partners: [Int]

  /// - Throws: `ToolError` (bad data) for folders whose names do not fit together.
  init(_ reference: ImageSet, _ samples: ImageSet) throws {
    let inOrder = Array(0..<samples.count)
    guard let wanted = reference.names, let names = samples.names, wanted != names else {
      partners = inOrder
      return
    }
    let places = Dictionary(names.enumerated().map { ($1, $0) }) { first, _ in first }
    let found = wanted.map { places[$0] }
    if !found.contains(nil), places.count == names.count, Set(wanted).count == wanted.count {
      partners = found.compactMap { $0 }
    } else if Self.areNumbers(names), Self.classes(names) == Self.classes(wanted) {
      partners = inOrder
    } else {
      let missing = wanted.first { places[$0] == nil } ?? wanted[0]
      throw ToolError(
        .badData, samples.name,
        expected: "an image for each of \(reference.name), of the same name or numbered by detokenize",
        found: "none for '\(missing)'",
        try: "--pairs-in-order, if their order is the same")
    }
  }

  /// Whether the names are those of detokenize: six digits, counted from 0 through all classes.
  private static func areNumbers(_ names: [String]) -> Bool {
    names.enumerated().allSatisfy { index, name in
      let digits = name.split(separator: "/").last.map(String.init) ?? ""
      return digits.count >= 6
        && digits == String(repeating: "0", count: max(0, 6 - "\(index)".count)) + "\(index)"
    }
  }

  /// The folder of each name; one folder of images is one class, whatever it is called.
  private static func classes(_ names: [String]) -> [String] {
    names.map { $0.split(separator: "/").dropLast().first.map(String.init) ?? "" }
  }
}
