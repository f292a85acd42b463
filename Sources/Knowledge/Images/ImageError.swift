/// What can be wrong with a user's images. Each case names the file; the description adds what was expected, what
/// was found and what to try.
public enum ImageError: Error, Equatable, Sendable {
  /// The file, folder or list entry does not exist, or is not what it should be.
  case notFound(file: String, expected: String)
  /// The operating system could not read the file.
  case unreadable(file: String, reason: String)
  /// The operating system does not let this user look at the file or folder.
  case inaccessible(file: String, reason: String)
  /// There is something, and it is no file that an image can be read from: a loop of links, a device, more than 1 GiB.
  case unsuitable(file: String, found: String)
  /// The first bytes are neither PNG's nor JPEG's.
  case unknownFormat(file: String, found: String)
  /// Truncated or damaged; `reason` is the decoder's.
  case malformed(file: String, format: String, reason: String)
  /// More pixels than any training image has: most likely damage or an attack.
  case tooLarge(file: String, width: Int, height: Int)
  /// Smaller than the crop asked for.
  case tooSmall(file: String, width: Int, height: Int, needed: Int)
  /// A folder without one image.
  case noImages(folder: String)
  /// A class folder without one image, which would shift no label but never be learnt.
  case emptyClass(folder: String)
  /// Two folders that stand for one class, such as %2Ea and a folder whose own name that is.
  case sameClass(folder: String, name: String)
  /// A folder that holds images and folders of images: are its classes its folders or not?
  case mixedFolder(folder: String, image: String, subfolder: String)
  /// A list names a class that is not among the known ones.
  case unknownClass(list: String, line: Int, found: String, known: [String])
  /// A line of a list that is not `path` or `path TAB class`.
  case malformedList(list: String, line: Int, found: String)
  /// A row of a table that is not `path,class`.
  case malformedTable(table: String, line: Int, found: String)
  /// A row of a table whose class is a number and no label, where all others are numbers too.
  case unusableLabel(table: String, line: Int, found: String)
  /// Not enough memory to decode or encode.
  case outOfMemory(file: String)
}

extension ImageError: CustomStringConvertible {
  /// One line for a person: file, expected, found, what to try.
  public var description: String {
    switch self {
    case .notFound, .unreadable, .inaccessible, .unsuitable, .outOfMemory: systemDescription
    case .unknownFormat, .malformed, .tooLarge, .tooSmall: imageDescription
    default: listingDescription
    }
  }

  /// Lists and names may be of any length; what a person is told may not.
  private func shortened(_ text: String, to limit: Int = 80) -> String {
    text.count <= limit ? text : text.prefix(limit - 3) + "..."
  }

  /// A list may name paths of thousands of characters, of which the end tells most.
  private func place(_ file: String) -> String {
    file.count <= 300 ? file : "..." + file.suffix(297)
  }

  private var systemDescription: String {
    switch self {
    case .notFound(let file, let expected): "\(place(file)): not found: expected \(expected); check the path"
    case .unreadable(let file, let reason): "\(place(file)): cannot be read: \(reason)"
    case .inaccessible(let file, let reason):
      "\(place(file)): cannot be looked at: \(reason); give yourself the right to read it, or take it out"
    case .unsuitable(let file, let found):
      "\(place(file)): expected a regular file of at most 1 GiB, or a folder; found \(found); take it out"
    case .outOfMemory(let file): "\(place(file)): not enough memory for its pixels"
    default: ""
    }
  }

  private var imageDescription: String {
    switch self {
    case .unknownFormat(let file, let found):
      "\(place(file)): expected a PNG or JPEG image, found \(found); convert it, or take it out of the folder"
    case .malformed(let file, let format, let reason):
      "\(place(file)): damaged \(format) image: \(reason); fetch it again, or take it out of the folder"
    case .tooLarge(let file, let width, let height):
      "\(place(file)): \(width) x \(height) pixels; expected at most \(ImageDecoder.maximumSide) a side and "
        + "\(ImageDecoder.maximumPixels) in all; scale it down first"
    case .tooSmall(let file, let width, let height, let needed):
      "\(place(file)): \(width) x \(height) pixels; expected at least \(needed) a side; "
        + "choose a smaller size, allow upscaling, or take it out"
    default: ""
    }
  }

  private var listingDescription: String {
    switch self {
    case .noImages(let folder):
      "\(folder): no image found; expected files ending in .png, .jpg or .jpeg, in the folder or one folder per class"
    case .emptyClass(let folder):
      "\(folder): a class folder without an image; expected .png, .jpg or .jpeg files; remove it or fill it"
    case .sameClass(let folder, let name):
      "\(folder): expected one folder and one spelling of each class; found two of the class '\(shortened(name))'; rename one of them"
    case .mixedFolder(let folder, let image, let subfolder):
      "\(folder): expected images, or folders of images (one a class), found both (\(image) and \(subfolder)/); "
        + "move the images into class folders"
    case .unknownClass(let list, let line, let found, let known):
      "\(list), line \(line): unknown class '\(shortened(found))'; expected one of "
        + shortened(known.joined(separator: ", "), to: 200)
    case .malformedTable(let table, let line, let found):
      "\(table), line \(line): expected 'path,class', found '\(shortened(found))'"
    case .unusableLabel(let table, let line, let found):
      "\(table), line \(line): expected a label from 0 to \(ImageListing.largestLabel), as in the other rows, found "
        + "'\(shortened(found))'; labels are integers counted from 0, without spaces around them"
    case .malformedList(let list, let line, let found):
      "\(list), line \(line): expected 'path' or 'path TAB class', found '\(shortened(found))'"
    default: ""
    }
  }
}
