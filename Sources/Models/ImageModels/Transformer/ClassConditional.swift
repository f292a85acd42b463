import NeuralNet

/// A transformer with an embedding for each class and one for "no class", which can start from another one.
public protocol ClassConditional: AnyObject {
  /// The table's name in files, [classes + 1, C].
  static var classTableName: String { get }
  /// All trained parameters.
  var store: ParameterStore { get }
  /// Blocks.
  var layerCount: Int { get }
}

extension Transformer: ClassConditional {
  public static var classTableName: String { "cls_embedding.embedding_table.weight" }
  public var layerCount: Int { configuration.layers }
}

extension ClassConditional {
  /// Takes the parameters of a model over that differs in nothing but its classes and its grid.
  /// - Parameter classes: for each class the other model's class that it starts from, or nil for "no class".
  public func start(from other: Self, classes: [Int?]) {
    precondition(
      store.parameters.map(\.name) == other.store.parameters.map(\.name), "start: another kind of model")
    for (own, source) in zip(store.parameters, other.store.parameters) {
      let (value, sourceValue) = (own.variable.value, source.variable.value)
      guard own.name == Self.classTableName else {
        value.copyElements(from: sourceValue)
        continue
      }
      let (width, noClass) = (value.shape[1], sourceValue.shape[0] - 1)
      precondition(
        classes.count == value.shape[0] - 1, "start: \(classes.count) classes for \(value.shape[0] - 1)")
      for (row, place) in (classes + [nil]).enumerated() {
        (value.pointer + row * width).update(
          from: sourceValue.pointer + (place ?? noClass) * width, count: width)
      }
    }
  }
}
