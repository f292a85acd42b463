import StreamFormat
import TensorCore

extension FeatureNetworks {
  /// A network's tensors as a file's record, checked by making the network: every parameter must be there in its shape,
  /// and nothing else.
  /// - Parameters:
  ///   - name: of a feature network, or of a trunk of LPIPS.
  ///   - origin: where the tensors are from, for messages.
  /// - Throws: `FormatError`.
  public static func record(
    _ name: String, tensors: [StoredTensor], origin: Origin, device: Device
  ) throws -> Record {
    var record = Record(kind: .network, tensors: tensors)
    record.origin = origin
    try record.setJSONMetadata("config", NetworkConfiguration(name: name))
    let names = NetworkWeights.UsedNames()
    if let trunk = PerceptualDistance.Trunk(rawValue: name) {
      let weights = try NetworkWeights(record, network: name, used: names)
      _ = try PerceptualDistance(trunk, weights, device: device)
    } else {
      _ = try load(name, weights: record, names: names, device: device)
    }
    if let unknown = tensors.first(where: { !names.contains($0.name) && !ignores($0.name, of: name) }) {
      throw FormatError(
        .unexpectedTensor, at: origin, expected: "only the parameters of \(name)",
        found: "a tensor \(unknown.name)", hint: "check which network the file is of")
    }
    return record
  }

  /// Tensors that files of the network have and its features do not need.
  private static func ignores(_ tensor: String, of network: String) -> Bool {
    network == "inception-v3" && tensor == "fc.bias"
  }
}
