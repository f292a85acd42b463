import Foundation
import StreamFormat
import TensorCore

/// Committed reference values.
public struct Fixture {
  /// The file's only record.
  public let record: Record

  /// Reads `Tests/Fixtures/<path>`.
  public init(_ path: String) throws {
    let source = try FileSource(path: Fixture.folder + "/" + path)
    guard let record = try RecordReader(source).next() else { throw CocoaError(.fileReadCorruptFile) }
    self.record = record
  }

  /// `Tests/Fixtures` of this checkout.
  public static var folder: String {
    URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().path + "/Fixtures"
  }

  /// A tensor's values.
  public func floats(_ name: String) throws -> [Float] { try record.tensor(name).floats() }

  /// A whole-number tensor's values.
  public func integers(_ name: String) throws -> [Int] { try record.tensor(name).integers() }

  /// A tensor on a device, in its stored shape.
  public func tensor(_ name: String, _ device: Device) throws -> Tensor {
    let stored = try record.tensor(name)
    return device.tensor(try stored.floats(), stored.shape)
  }

  /// Images that are stored as PyTorch does, [B, C, H, W], as a tensor [B, H, W, C].
  public func channelsLast(_ name: String, _ device: Device) throws -> Tensor {
    let stored = try record.tensor(name)
    let (s, values) = (stored.shape, try stored.floats())
    let y = device.empty([s[0], s[2], s[3], s[1]])
    for b in 0..<s[0] {
      for c in 0..<s[1] {
        for p in 0..<s[2] * s[3] {
          y.pointer[(b * s[2] * s[3] + p) * s[1] + c] = values[(b * s[1] + c) * s[2] * s[3] + p]
        }
      }
    }
    return y
  }

  /// The tensors of an LPIPS network as our files name them; in PyTorch its trunk is cut into slices.
  public func perceptualNetwork(prefix: String) -> [StoredTensor] {
    record.tensors.compactMap { tensor in
      guard tensor.name.hasPrefix(prefix), !tensor.name.contains("scaling_layer") else { return nil }
      let name = tensor.name.dropFirst(prefix.count)
      guard let slice = name.firstMatch(of: /net\.slice\d\./) else { return tensor.renamed(String(name)) }
      return tensor.renamed("features." + name[slice.range.upperBound...])
    }
  }

  /// Names of tensors that start with a prefix, without it.
  public func names(withPrefix prefix: String) -> [String] {
    record.tensors.map(\.name).filter { $0.hasPrefix(prefix) }.map { String($0.dropFirst(prefix.count)) }
  }
}
