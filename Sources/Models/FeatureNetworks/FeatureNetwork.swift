import ImageModels
import Images
import StreamFormat
import TensorCore

/// The outputs of a network for n images.
public struct FeatureBatch {
  /// Pooled features [n, featureCount].
  public var features: Tensor
  /// Features that keep their places, [n, 17 * 17 * 7], for sFID; of `inception-v3` only.
  public var spatial: Tensor?
  /// Class logits [n, classes]; those of `inception-v3` without the bias, as the inception score has them.
  public var logits: Tensor?

  /// A batch of pooled features and whatever else the network gives.
  public init(features: Tensor, spatial: Tensor? = nil, logits: Tensor? = nil) {
    (self.features, self.spatial, self.logits) = (features, spatial, logits)
  }
}

/// A fixed function from images to features. An image's features do not depend on the images beside it.
public protocol FeatureNetwork: AnyObject {
  /// `inception-v3`, `squeezenet-1.1`, `efficientnet-lite0`, `pixels` or `tokenizer`.
  var name: String { get }
  /// Hash of the weights (``StreamFormat/Record/weightsSHA256``), or `none` for a network that has none.
  var weightsSHA256: String { get }
  /// What is done to the images first, in words.
  var resize: String { get }
  /// Numbers in a row of `features`.
  var featureCount: Int { get }
  /// The features of at least one image; images may differ in size.
  func extract(_ images: [RGBImage]) throws -> FeatureBatch
}

/// The networks by name.
public enum FeatureNetworks {
  /// All names that ``load(_:weights:tokenizer:device:)`` knows.
  public static let names = [
    InceptionV3.name, SqueezeNet.name, EfficientNetLite0.name, PixelFeatures.name, TokenizerFeatures.name,
  ]

  /// The names of the networks whose weights are read from a file.
  public static let namesWithWeights = [InceptionV3.name, SqueezeNet.name, EfficientNetLite0.name]

  /// Makes a network.
  /// - Parameters:
  ///   - weights: the record of a file of kind `network`; needed by all but `pixels` and `tokenizer`.
  ///   - tokenizer: needed by `tokenizer` alone.
  /// - Throws: ``FeatureNetworkError``, and `FormatError` where the weights are not this network's.
  public static func load(
    _ name: String, weights: Record?, tokenizer: Tokenizer?, device: Device
  ) throws -> any FeatureNetwork {
    try load(name, weights: weights, tokenizer: tokenizer, names: NetworkWeights.UsedNames(), device: device)
  }

  /// As above, noting which tensors of the weights are used.
  static func load(
    _ name: String, weights: Record?, tokenizer: Tokenizer? = nil, names: NetworkWeights.UsedNames,
    device: Device
  ) throws -> any FeatureNetwork {
    func require() throws -> NetworkWeights {
      guard let weights else { throw FeatureNetworkError.weightsMissing(network: name) }
      return try NetworkWeights(weights, network: name, used: names)
    }
    switch name {
    case PixelFeatures.name: return PixelFeatures(device: device)
    case TokenizerFeatures.name:
      guard let tokenizer else { throw FeatureNetworkError.tokenizerMissing }
      return TokenizerFeatures(tokenizer)
    case InceptionV3.name: return try InceptionV3(require(), device: device)
    case SqueezeNet.name: return try SqueezeNet(require(), device: device)
    case EfficientNetLite0.name: return try EfficientNetLite0(require(), device: device)
    default: throw FeatureNetworkError.unknownNetwork(name)
    }
  }
}

/// An error while a network is made.
public enum FeatureNetworkError: Error, Equatable, CustomStringConvertible, Sendable {
  /// There is no network of this name.
  case unknownNetwork(String)
  /// The network needs a weights file.
  case weightsMissing(network: String)
  /// The network `tokenizer` needs a tokenizer.
  case tokenizerMissing

  /// One line: what was expected, what was found, what to try.
  public var description: String {
    switch self {
    case .unknownNetwork(let name):
      "network: expected one of \(FeatureNetworks.names.joined(separator: ", ")); found '\(name)'"
    case .weightsMissing(let network):
      "network \(network): expected a weights file; found none; try: import-weights --as \(network)"
    case .tokenizerMissing: "network tokenizer: expected a tokenizer file; found none; try: name a tokenizer"
    }
  }
}
