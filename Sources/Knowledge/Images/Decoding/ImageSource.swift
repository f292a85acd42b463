import FoundationEssentials
import Glibc

/// Where an image is.
public enum ImageSource: Sendable, Equatable {
  /// A PNG or JPEG file.
  case file(FilePath)
  /// A PNG or JPEG file in an archive; its bytes may be mapped.
  case member(name: String, bytes: Data)
  /// The pixels of an image in an array: rows from top to bottom, R G B.
  case pixels(name: String, width: Int, height: Int, bytes: Data)

  /// As messages name it.
  public var name: String {
    switch self {
    case .file(let path): "\(path)"
    case .member(let name, _), .pixels(let name, _, _, _): name
    }
  }

  /// The file, unless the image is part of one.
  public var path: FilePath? {
    if case .file(let path) = self { path } else { nil }
  }

  /// The bytes that decide what the image is.
  /// - Throws: `ImageError.notFound`, `.inaccessible`, `.unsuitable` or `.unreadable`.
  public func contents() throws(ImageError) -> [UInt8] {
    switch self {
    case .file(let path): try path.readAll()
    case .member(_, let bytes): [UInt8](bytes)
    case .pixels(_, let width, let height, let bytes): Array("\(width)x\(height) ".utf8) + [UInt8](bytes)
    }
  }

  /// Whether it is a JPEG, whatever its name.
  /// - Throws: As ``contents()``.
  public func isJPEG() throws(ImageError) -> Bool {
    switch self {
    case .file(let path): try ImageDecoder.startsAsJPEG(path)
    case .member(_, let bytes): ImageDecoder.isJPEG([UInt8](bytes.prefix(16)))
    case .pixels: false
    }
  }
}

extension ImageDecoder {
  /// The image.
  /// - Throws: What `decode(contentsOf:options:)` throws.
  public static func decode(_ source: ImageSource, options: DecodingOptions) throws(ImageError) -> RGBImage {
    switch source {
    case .file(let path): try decode(contentsOf: path, options: options)
    case .member(let name, let bytes): try decode([UInt8](bytes), name: name, options: options)
    case .pixels(_, let width, let height, let bytes):
      RGBImage(width: width, height: height, pixels: [UInt8](bytes))
    }
  }
}
