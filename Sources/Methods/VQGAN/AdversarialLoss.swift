import Autograd
import Glibc
import TensorCore

/// What a discriminator and a generator are trained on, by the logits of patches.
public enum AdversarialLoss: String, Codable, CaseIterable, Sendable {
  /// Discriminator: half the mean of max(0, 1 - real) and max(0, 1 + fake). Generator: - mean fake.
  case hinge
  /// Discriminator: half the mean of softplus(- real) and softplus(fake). Generator: - mean fake.
  case vanilla
  /// LlamaGen's loss of this name. Its code gives logits for targets and targets for logits to a cross-entropy; what
  /// remains is linear in the logits, and the discriminator learns from real images alone.
  case nonSaturating = "non-saturating"

  /// -log sigmoid(1) + 1, the cross-entropy of logits 1 with targets 0.
  private static let base = Float(1 + log1p(exp(-1.0)))

  /// The discriminator's loss, a scalar.
  public func discriminator(_ tape: Tape, real: Variable, fake: Variable) -> Variable {
    switch self {
    case .hinge:
      return half(tape, tape.meanHinge(real, sign: 1), tape.meanHinge(fake, sign: -1))
    case .vanilla:
      return half(tape, tape.meanSoftplus(real, sign: -1), tape.meanSoftplus(fake, sign: 1))
    case .nonSaturating:
      let constant = Variable(tape.device.full([], Self.base + Float(log(2.0))))
      return tape.weightedSum([(tape.mean(real), -0.5), (constant, 0.5)])
    }
  }

  /// The mean of the discriminator's losses by several tensors of logits, a scalar.
  public func discriminator(_ tape: Tape, real: [Variable], fake: [Variable]) -> Variable {
    precondition(real.count == fake.count, "AdversarialLoss: \(real.count) and \(fake.count) tensors")
    return mean(tape, zip(real, fake).map { discriminator(tape, real: $0, fake: $1) })
  }

  /// The mean of the generator's losses by several tensors of logits, a scalar.
  public func generator(_ tape: Tape, fake: [Variable]) -> Variable {
    mean(tape, fake.map { generator(tape, fake: $0) })
  }

  private func mean(_ tape: Tape, _ losses: [Variable]) -> Variable {
    losses.count == 1 ? losses[0] : tape.weightedSum(losses.map { ($0, 1 / Float(losses.count)) })
  }

  private func half(_ tape: Tape, _ a: Variable, _ b: Variable) -> Variable {
    tape.weightedSum([(a, 0.5), (b, 0.5)])
  }

  /// The generator's loss, a scalar.
  public func generator(_ tape: Tape, fake: Variable) -> Variable {
    let mean = tape.mean(fake)
    guard self == .nonSaturating else { return tape.weightedSum([(mean, -1)]) }
    return tape.weightedSum([(mean, -1), (Variable(tape.device.full([], Self.base)), 1)])
  }
}
