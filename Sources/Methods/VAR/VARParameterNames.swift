/// The parameters of a VAR tokenizer by the names of this suite's tokenizer files.
///
/// VAR's autoencoder has the names of VQGAN's (`VQGANParameterNames` translates them), but one convolution `qkv` where
/// LlamaGen's has three, `q`, `k` and `v`: its outputs are theirs, one third after the other.
public struct VARParameterNames: Sendable {
  /// Names in the file by the names of the parameters: one name stands for three.
  public let names: [String: String]
  /// The third of the file's tensor that a parameter is, from 0 on, where it is not the whole.
  public let thirds: [String: Int]

  /// - Parameter names: names in the file by LlamaGen's names.
  ///
  /// Nil where no parameter has a name that only a VAR tokenizer has.
  public init?(_ names: [String: String]) {
    var (whole, thirds): ([String: String], [String: Int]) = ([:], [:])
    for (name, stored) in names {
      let parts = name.split(separator: ".")
      guard parts.count > 2, parts[parts.count - 2] == "qkv", let kind = parts.last else {
        whole[name] = stored
        continue
      }
      for (third, letter) in ["q", "k", "v"].enumerated() {
        let own = (parts.dropLast(2) + [Substring(letter), kind]).joined(separator: ".")
        whole[own] = stored
        thirds[own] = third
      }
    }
    guard !thirds.isEmpty else { return nil }
    (self.names, self.thirds) = (whole, thirds)
  }

  /// The name in a checkpoint of the parameter that one of VQGAN's names means.
  public static func publishedName(of name: String) -> String {
    var parts = name.split(separator: ".").map(String.init)
    guard parts.count > 2, parts.contains(where: { $0.hasPrefix("attn") }),
      ["q", "k", "v"].contains(parts[parts.count - 2])
    else { return name }
    parts[parts.count - 2] = "qkv"
    return parts.joined(separator: ".")
  }
}
