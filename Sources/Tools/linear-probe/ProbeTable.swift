import Evaluation
import StreamFormat

/// What the tool writes.
struct ProbeTable: Encodable {
  var models: [ModelResult] = []
  let classes: Int
  /// 1 / classes: what guessing scores, and the worst that `balanced_top1` should be.
  let chance: Double
  /// What the most frequent class scores as `top1`, for every image.
  let majority: Double
  let training: PartSize
  let test: PartSize
  /// Of the training images; `test` has its own.
  let view: Int
  let settings: LinearProbe.Options

  struct PartSize: Encodable {
    let tokens: String
    let images: Int
    let view: Int

    init(_ part: ProbeData.Part) { (tokens, images, view) = (part.path, part.items.count, part.view) }
  }

  struct ModelResult: Encodable {
    let model: String
    let layer: Int
    let layers: Int
    let meanTop1: Double
    let meanBalancedTop1: Double
    let positions: [PositionResult]

    init(model: String, layer: Int, layers: Int, positions: [PositionResult]) {
      (self.model, self.layer, self.layers, self.positions) = (model, layer, layers, positions)
      func mean(_ value: (PositionResult) -> Double) -> Double {
        positions.map(value).reduce(0, +) / Double(positions.count)
      }
      meanTop1 = mean(\.top1)
      meanBalancedTop1 = mean(\.balancedTop1)
    }

    enum CodingKeys: String, CodingKey {
      case model, layer, layers, positions
      case meanTop1 = "mean_top1"
      case meanBalancedTop1 = "mean_balanced_top1"
    }
  }

  struct PositionResult: Encodable {
    /// Tokens seen so far.
    let position: Int
    let top1: Double
    let standardError: Double
    let balancedTop1: Double
    let loss: Double
    let trainingTop1: Double
    let trainingLoss: Double

    init(position: Int, test: ProbeScores, training: ProbeScores) {
      self.position = position
      (top1, standardError, balancedTop1, loss) = (
        test.top1, test.standardError, test.balancedTop1, test.loss
      )
      (trainingTop1, trainingLoss) = (training.top1, training.loss)
    }

    enum CodingKeys: String, CodingKey {
      case position, top1, loss
      case standardError = "standard_error"
      case balancedTop1 = "balanced_top1"
      case trainingTop1 = "training_top1"
      case trainingLoss = "training_loss"
    }
  }

  init(_ data: ProbeData, settings: LinearProbe.Options) {
    classes = data.training.tokens.header.classCount
    chance = 1 / Double(classes)
    majority = ProbeScores.majority(training: data.training.labels, test: data.test.labels)
    (training, test) = (PartSize(data.training), PartSize(data.test))
    (view, self.settings) = (data.training.view, settings)
  }
}
