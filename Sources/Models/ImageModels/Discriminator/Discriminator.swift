import Autograd
import NeuralNet
import StreamFormat

/// A network that learns to tell images from reconstructions while the tokenizer learns to make that difficult.
public protocol Discriminator: AnyObject {
  /// All parameters.
  var store: ParameterStore { get }
  /// Logits in training, above 0 for real images: one or more tensors, which count alike.
  func logits(_ tape: Tape, _ seen: SeenImages, _ mode: DiscriminatorMode) -> [Variable]
  /// What evaluation needs beside the parameters, as tensors of a file.
  func storedStatistics(prefix: String) -> [StoredTensor]
  /// Takes over these tensors of a file.
  /// - Throws: `FormatError`.
  func loadStatistics(_ record: Record, prefix: String) throws
}

/// How a pass treats a discriminator's parameters.
public enum DiscriminatorMode: Sendable {
  /// Training the discriminator: parameters get gradients.
  case discriminator
  /// Training what it is to judge: parameters get none.
  case generator

  func parameter(_ variable: Variable) -> Variable {
    self == .discriminator ? variable : variable.detached()
  }
}

/// What a discriminator can look at.
public struct SeenImages {
  /// [B, H, W, 3], from -1 to 1.
  public let images: Variable
  /// What the stages of a network that is not trained make of them, [B, h, w, C] each; none where there is no such network.
  public let features: [Variable]

  public init(_ images: Variable, features: [Variable]) { (self.images, self.features) = (images, features) }
}
