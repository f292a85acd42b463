import CKernels
import TensorCore

/// Records the ops of a forward pass and runs their backward passes in reverse order. The ops are coarse, one
/// per file, each with its forward and backward side by side.
///
/// A tape is used for one forward and one backward pass. The backward pass releases intermediate values as
/// soon as they are no longer needed.
public final class Tape {
  /// Where the ops run.
  public let device: Device
  /// False for evaluation: nothing is kept and no gradient can be asked for.
  public let isRecording: Bool
  private var steps: [() -> Void] = []
  /// The number of the first step that has a variable among its inputs, by the variable's slot: no gradient arrives at it
  /// after that step's backward pass.
  private var firstUses: [ObjectIdentifier: Int] = [:]

  /// A tape for one forward and, when recording, one backward pass.
  public init(device: Device, isRecording: Bool = true) {
    self.device = device
    self.isRecording = isRecording
  }

  /// Runs the backward pass of everything recorded since the tape was made.
  /// - Parameters:
  ///   - scale: the gradient of the loss by itself, 1 unless gradients are accumulated over parts.
  ///   - watch: who wants to know when a gradient is complete.
  public func backward(from loss: Variable, scale: Float = 1, watch: GradientWatch? = nil) {
    precondition(loss.value.count == 1, "Tape.backward: the loss has shape \(loss.shape)")
    loss.slot.gradient = device.full(loss.shape, scale)
    // By the number of the step after which a gradient is complete; the pass has none to add to those that no step has used.
    var complete: [Int: [Int]] = [:]
    for (place, variable) in (watch?.variables ?? []).enumerated() {
      complete[firstUses[ObjectIdentifier(variable.slot)] ?? steps.count, default: []].append(place)
    }
    func tell(_ step: Int) {
      guard let watch else { return }
      for place in complete[step] ?? [] {
        // The step that it came from may go on to use memory that it shares.
        _ = ownGradient(of: watch.variables[place].slot)
        watch.isComplete(place)
      }
    }
    tell(steps.count)
    while let step = steps.popLast() {
      step()
      tell(steps.count)
    }
  }

  /// The variable an op returns. `backward` gets the gradient by `value` and passes gradients on to the slots of `inputs`. It
  /// holds no variable: of each it captures the slot, and the value where it reads it.
  public func record(_ value: Tensor, from inputs: [Variable], backward: @escaping (Tensor) -> Void)
    -> Variable
  {
    let needsGradient = isRecording && inputs.contains { $0.requiresGradient }
    let output = Variable(value, requiresGradient: needsGradient)
    if needsGradient {
      for slot in inputs.map(\.slot) where slot.requiresGradient && firstUses[ObjectIdentifier(slot)] == nil {
        firstUses[ObjectIdentifier(slot)] = steps.count
      }
      steps.append { [slot = output.slot] in
        guard let gradient = slot.gradient else { return }
        slot.gradient = nil
        backward(gradient)
      }
    }
    return output
  }

  /// Adds `gradient` to what has arrived at `slot`.
  public func accumulate(_ gradient: Tensor, into slot: GradientSlot) {
    guard slot.requiresGradient else { return }
    precondition(
      gradient.count == slot.count, "Tape.accumulate: gradient \(gradient.shape) for a value of \(slot.shape)"
    )
    guard slot.gradient != nil else {
      slot.gradient = gradient.reshaped(slot.shape)
      return
    }
    // Two variables may share one gradient (the two sides of a sum), so only an unshared one is changed.
    if slot.gradient!.isUniquelyReferenced() {
      let sum = slot.gradient!
      device.forRanges(sum.count, grain: 4096) {
        tsr_axpy(sum.pointer + $0.lowerBound, 1, gradient.pointer + $0.lowerBound, $0.count)
      }
    } else {
      slot.gradient = device.sum(slot.gradient!, gradient.reshaped(slot.shape))
    }
  }

  /// Memory for a gradient that a matrix product will write (beta 0) or add to (beta 1).
  func productTarget(for slot: GradientSlot) -> (gradient: Tensor, beta: Float) {
    if let gradient = ownGradient(of: slot) { return (gradient, 1) }
    let gradient = device.empty(slot.shape)
    slot.gradient = gradient
    return (gradient, 0)
  }

  /// Memory for a gradient that an op adds to: what has arrived, or zeros. For a variable without gradient
  /// this is memory that nothing reads.
  func additionTarget(for slot: GradientSlot) -> Tensor {
    if let gradient = ownGradient(of: slot) { return gradient }
    let gradient = device.zeros(slot.shape)
    if slot.requiresGradient { slot.gradient = gradient }
    return gradient
  }

  /// What has arrived at `slot`, in memory that no other variable's gradient shares.
  private func ownGradient(of slot: GradientSlot) -> Tensor? {
    guard slot.gradient != nil else { return nil }
    if !slot.gradient!.isUniquelyReferenced() { slot.gradient = device.copy(slot.gradient!) }
    return slot.gradient
  }
}

/// Variables, and what is called in a backward pass with the place of each when no further gradient will arrive at it.
public struct GradientWatch {
  let variables: [Variable]
  let isComplete: (_ place: Int) -> Void

  public init(_ variables: [Variable], isComplete: @escaping (_ place: Int) -> Void) {
    (self.variables, self.isComplete) = (variables, isComplete)
  }
}

extension Device {
  /// a + b, elementwise.
  func sum(_ a: Tensor, _ b: Tensor) -> Tensor {
    precondition(a.shape == b.shape, "sum: \(a.shape) and \(b.shape)")
    let y = empty(a.shape)
    forRanges(y.count, grain: 4096) {
      tsr_add(y.pointer + $0.lowerBound, a.pointer + $0.lowerBound, b.pointer + $0.lowerBound, $0.count)
    }
    return y
  }

  /// alpha x, elementwise.
  public func scaled(_ x: Tensor, _ alpha: Float) -> Tensor {
    let y = empty(x.shape)
    forRanges(y.count, grain: 4096) {
      tsr_scale(y.pointer + $0.lowerBound, alpha, x.pointer + $0.lowerBound, $0.count)
    }
    return y
  }

  /// Sums one row per thread, in the order of the threads, into `target`.
  func addRows(of partial: Tensor, to target: Tensor) {
    for row in 0..<partial.shape[0] {
      tsr_axpy(target.pointer, 1, partial.pointer + row * target.count, target.count)
    }
  }
}
