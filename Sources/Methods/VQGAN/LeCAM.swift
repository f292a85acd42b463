import Autograd
import StreamFormat
import TensorCore

/// The regularisation of a discriminator by LeCAM (Tseng et al., 2021): its outputs for real images are kept
/// near a moving average of those for reconstructions, and the other way round, so that it cannot learn few images by heart.
struct LeCAM {
  /// Weight and decay.
  struct Options: Codable, Equatable, Sendable {
    /// Weight of the regularisation in the discriminator's loss.
    var weight: Float
    /// Share of the old averages kept in each step.
    var decay: Float = 0.999
  }

  let options: Options
  /// Moving averages of the mean output for real images and for reconstructions. They start at 0, as in the published code
  /// of tokenizers (Open-MAGVIT2).
  private var averages: (real: Float, fake: Float) = (0, 0)

  init(_ options: Options) { self.options = options }

  /// mean max(0, real - a_fake)^2 + mean max(0, a_real - fake)^2, with the averages after this batch. The paper has no
  /// max; the code of its authors has.
  mutating func loss(_ tape: Tape, real: Variable, fake: Variable) -> Variable {
    let quiet = Tape(device: tape.device, isRecording: false)
    func moved(_ average: Float, _ logits: Variable) -> Float {
      options.decay * average + (1 - options.decay) * quiet.mean(logits).value.scalar
    }
    averages = (moved(averages.real, real), moved(averages.fake, fake))
    return tape.weightedSum([
      (tape.meanSquaredExcess(real, over: averages.fake, sign: 1), 1),
      (tape.meanSquaredExcess(fake, over: averages.real, sign: -1), 1),
    ])
  }

  // MARK: Checkpoints

  private static let name = "task.lecam_averages"

  /// The averages: of real images, of reconstructions.
  var state: StoredTensor {
    StoredTensor(name: Self.name, shape: [2], floats: [averages.real, averages.fake])
  }

  /// Restores them.
  /// - Throws: `FormatError`.
  mutating func restore(_ record: Record) throws {
    let values = try record.tensor(Self.name, shape: [2]).floats()
    averages = (values[0], values[1])
  }
}
