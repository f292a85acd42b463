/// The largest sizes that a reader accepts. Memory is allocated as data arrives, whatever sizes a header
/// claims.
public struct Limits: Sendable, Equatable {
  /// The longest header of a record, in bytes.
  public var headerBytes: Int
  /// The largest tensor, in bytes.
  public var tensorBytes: Int
  /// The base-2 logarithm of the largest zstd window, in bytes.
  public var windowLog: Int32

  public init(headerBytes: Int = 100_000_000, tensorBytes: Int = 1 << 40, windowLog: Int32 = 27) {
    self.headerBytes = headerBytes
    self.tensorBytes = tensorBytes
    self.windowLog = windowLog
  }

  /// 100 MB of header (as other safetensors readers), 1 TiB per tensor, 128 MiB of window (as `zstd -d`).
  public static let standard = Limits()
}
