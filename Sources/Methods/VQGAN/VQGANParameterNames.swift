/// The parameters of a VQGAN autoencoder as taming-transformers names them, in terms of LlamaGen's names, which are
/// those of this suite's tokenizer files.
///
/// LlamaGen's autoencoder is VQGAN's with other names: `down.I.block.J` is `conv_blocks.I.res.J`, `mid.block_1` is
/// `mid.0`, and the decoder counts its levels from the smallest image on.
public struct VQGANParameterNames: Sendable {
  private let levels: Int

  /// Nil where the names are not those of a VQGAN autoencoder.
  public init?(_ names: some Sequence<String>) {
    let found = Set(names.compactMap { Self.level(of: $0, in: "encoder.down.") })
    guard !found.isEmpty else { return nil }
    // A level beyond a gap is no part of the network, and must not move the others.
    levels = (0...found.count).first { !found.contains($0) } ?? 0
  }

  /// LlamaGen's name of a parameter; nil for what is not part of the autoencoder: the networks of the losses.
  public func llamaGenName(of name: String) -> String? {
    if name.hasPrefix("loss.") { return nil }
    if let level = Self.level(of: name, in: "encoder.down.") {
      return "encoder.conv_blocks.\(level)." + Self.inLevel(name)
    }
    if let level = Self.level(of: name, in: "decoder.up."), level < levels {
      return "decoder.conv_blocks.\(levels - 1 - level)." + Self.inLevel(name)
    }
    for half in ["encoder", "decoder"] {
      for (published, place) in [("block_1", "0"), ("attn_1", "1"), ("block_2", "2")] {
        let prefix = "\(half).mid.\(published)."
        if name.hasPrefix(prefix) { return "\(half).mid.\(place)." + name.dropFirst(prefix.count) }
      }
    }
    return name
  }

  /// The name in a VQGAN's checkpoint of the parameter that LlamaGen's name means.
  public func publishedName(of name: String) -> String {
    for (half, published) in [("encoder", "encoder.down."), ("decoder", "decoder.up.")] {
      if let level = Self.level(of: name, in: "\(half).conv_blocks."), half == "encoder" || level < levels {
        let rest = name.split(separator: ".").dropFirst(3)
        let own = rest.first == "res" ? ["block"] + rest.dropFirst() : Array(rest)
        return "\(published)\(half == "encoder" ? level : levels - 1 - level)." + own.joined(separator: ".")
      }
      for (place, part) in [("0", "block_1"), ("1", "attn_1"), ("2", "block_2")] {
        let prefix = "\(half).mid.\(place)."
        if name.hasPrefix(prefix) { return "\(half).mid.\(part)." + name.dropFirst(prefix.count) }
      }
    }
    return name
  }

  /// The level of `encoder.down.LEVEL.rest`.
  private static func level(of name: String, in prefix: String) -> Int? {
    guard name.hasPrefix(prefix) else { return nil }
    let parts = name.dropFirst(prefix.count).split(separator: ".", maxSplits: 1)
    guard parts.count == 2, let level = Int(parts[0]), (0..<64).contains(level) else { return nil }
    return level
  }

  /// What follows the level, with residual blocks under LlamaGen's name.
  private static func inLevel(_ name: String) -> String {
    let rest = name.split(separator: ".").dropFirst(3)
    return (rest.first == "block" ? ["res"] + rest.dropFirst() : Array(rest)).joined(separator: ".")
  }
}
