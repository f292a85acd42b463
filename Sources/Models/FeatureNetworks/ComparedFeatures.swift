import Autograd
import TensorCore

/// A network that is cut where its features are compared, and a weight for each channel that is compared there.
struct ComparedFeatures {
  /// A part of the network, and the weights of its outputs.
  struct Stage {
    var graph: ImageGraph
    var weights: [Float]
  }

  /// What is done to images of -1...1 first.
  let scale: ChannelScale
  /// One after the other.
  let stages: [Stage]

  /// Below this side, in pixels, a network has no features left at its end.
  static let smallestSide = 32

  /// What each stage makes of images [B, H, W, 3]: [B, h, w, C]. Weights get no gradient.
  func features(_ tape: Tape, _ images: Variable) -> [Variable] {
    var x = tape.standardizeChannels(images, scale)
    return stages.map { stage in
      x = stage.graph.apply(x, tape)
      return x
    }
  }

  /// The distances of the images x [B, H, W, 3] to their partners y, [B].
  func distances(_ tape: Tape, _ x: Variable, _ y: Variable) -> Variable {
    distances(tape, features(tape, x), to: features(tape, y))
  }

  /// The same by their features.
  func distances(_ tape: Tape, _ x: [Variable], to y: [Variable]) -> Variable {
    let parts = stageDistances(tape, x, to: y)
    return parts.dropFirst().reduce(parts[0]) { tape.add($0, $1) }
  }

  /// The same, stage by stage.
  func stageDistances(_ tape: Tape, _ x: [Variable], to y: [Variable]) -> [Variable] {
    stages.indices.map { tape.unitVectorDistance(x[$0], y[$0], weights: stages[$0].weights) }
  }

  /// Positions of each stage's output for an image of a side.
  func places(side: Int) -> [Int] {
    var side = side
    return stages.map { stage in
      _ = stage.graph.activationCount(side: &side)
      return side * side
    }
  }

  /// Numbers that the stages make of an image of a side, which a backward pass needs.
  func activationCount(side: Int) -> Int {
    var side = side
    return stages.reduce(0) { $0 + $1.graph.activationCount(side: &side) }
  }
}

extension ImageGraph {
  /// Numbers that the convolutions make of an image; `side` becomes that of the output.
  fileprivate func activationCount(side: inout Int) -> Int {
    switch self {
    case .convolution(let weights):
      side = weights.geometry.outputSize(side)
      return side * side * weights.geometry.outChannels
    case .maxPool(let window), .averagePool(let window):
      side = window.outputSize(side)
      return 0
    case .depthwise(let layer):
      side = layer.window.outputSize(side)
      return 0
    case .reversedChannels: return 0
    case .sequence(let parts): return parts.reduce(0) { $0 + $1.activationCount(side: &side) }
    case .residual(let part): return part.activationCount(side: &side)
    case .branches(let parts):
      var (count, end) = (0, side)
      for part in parts {
        end = side
        count += part.activationCount(side: &end)
      }
      side = end
      return count
    }
  }
}
