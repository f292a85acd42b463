import StreamFormat
import TensorCore

/// SqueezeNet 1.1 with random weights, as a file of kind `network`.
public func randomSqueezeNet() -> Record {
  var shapes = [("conv1", [64, 3, 3, 3])]
  var width = 64
  for (number, (squeeze, expand)) in [
    (16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256),
  ].enumerated() {
    let name = "fire\(number + 2)/"
    shapes.append((name + "squeeze1x1", [squeeze, width, 1, 1]))
    shapes.append((name + "expand1x1", [expand, squeeze, 1, 1]))
    shapes.append((name + "expand3x3", [expand, squeeze, 3, 3]))
    width = 2 * expand
  }
  shapes.append(("conv10", [1000, 512, 1, 1]))
  let tensors = shapes.enumerated().flatMap { index, layer in
    let (name, shape) = layer
    // The spread of what comes out is about that of what goes in.
    let deviation = (2 / Double(shape.dropFirst().reduce(1, *))).squareRoot()
    return [
      StoredTensor(
        name: name + ".weight", shape: shape,
        floats: normals(shape.reduce(1, *), UInt64(3000 + index), deviation: deviation)),
      StoredTensor(
        name: name + ".bias", shape: [shape[0]],
        floats: normals(shape[0], UInt64(4000 + index), deviation: 0.1)),
    ]
  }
  return Record(kind: .network, metadata: ["config": #"{"name":"squeezenet-1.1"}"#], tensors: tensors)
}
