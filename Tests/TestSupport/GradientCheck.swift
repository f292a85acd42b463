import Autograd
import TensorCore
import Testing

/// Compares the gradients of an op with central differences along random directions.
///
/// `body` maps the inputs to one variable; the scalar that is differentiated is its dot product with fixed
/// random weights, so that every output element counts. The tape must not keep the variables that the op reads: their values
/// would stay in memory until the backward pass, whether it reads them or not.
public func checkGradients(
  _ device: Device, of inputs: [Tensor], step: Float = 1e-2, tolerance: Double = 2e-2,
  _ body: (Tape, [Variable]) -> Variable, sourceLocation: SourceLocation = #_sourceLocation
) {
  func weighted(_ output: Tensor) -> Double {
    let weights = device.random(output.shape, 99)
    return zip(output.toArray(), weights.toArray()).reduce(0) { $0 + Double($1.0) * Double($1.1) }
  }
  func value(_ tensors: [Tensor]) -> Double {
    weighted(body(Tape(device: device, isRecording: false), tensors.map { Variable($0) }).value)
  }

  let variables = inputs.map { Variable(device.copy($0), requiresGradient: true) }
  let tape = Tape(device: device)
  let output = body(tape, variables)
  let dot = tape.dot(output, device.random(output.shape, 99))
  tape.backward(from: dot)

  let kept = variablesKept(device, after: body, variables)
  #expect(kept.isEmpty, "the tape keeps the variables of inputs \(kept)", sourceLocation: sourceLocation)
  for (index, input) in inputs.enumerated() {
    guard let gradient = variables[index].gradient else {
      Issue.record("input \(index) received no gradient", sourceLocation: sourceLocation)
      continue
    }
    #expect(gradient.shape == input.shape, sourceLocation: sourceLocation)
    for direction in 0..<3 {
      let d = device.random(input.shape, UInt64(1000 + 10 * index + direction)).toArray()
      func moved(_ amount: Float) -> Double {
        var tensors = inputs
        tensors[index] = device.tensor(zip(input.toArray(), d).map { $0 + amount * $1 }, input.shape)
        return value(tensors)
      }
      let measured = (moved(step) - moved(-step)) / Double(2 * step)
      let predicted = zip(gradient.toArray(), d).reduce(0) { $0 + Double($1.0) * Double($1.1) }
      let norm = gradient.toArray().reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
      #expect(
        abs(measured - predicted) <= tolerance * max(norm, 1e-3),
        "input \(index), direction \(direction): measured \(measured), predicted \(predicted), norm \(norm)",
        sourceLocation: sourceLocation)
    }
  }
}

/// The places of the inputs whose variables are still in memory after a forward pass, when only the tape and the output are left.
private func variablesKept(
  _ device: Device, after body: (Tape, [Variable]) -> Variable, _ parameters: [Variable]
) -> [Int] {
  struct Reference { weak var variable: Variable? }
  let tape = Tape(device: device)
  var references: [Reference] = []
  func forward() -> Variable {
    let inputs = parameters.map { tape.reshape($0, $0.shape) }
    references = inputs.map { Reference(variable: $0) }
    return body(tape, inputs)
  }
  let output = forward()
  return references.indices.filter { references[$0].variable.map { $0 !== output } ?? false }
}
