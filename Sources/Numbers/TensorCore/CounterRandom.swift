import CKernels
import Glibc

/// The purpose of a random number. Each purpose has its own stream, so that a new purpose does not change the
/// others. The numbers decide what a seed gives: never reuse or renumber them.
public struct RandomPurpose: Sendable, Equatable {
  let code: UInt32

  init(code: UInt32) { self.code = code }

  /// Initial weights; index = parameter.
  public static let initialization = RandomPurpose(code: 1)
  /// Order of the training items; index = epoch.
  public static let order = RandomPurpose(code: 2)
  /// Choice of an image's view; index = epoch.
  public static let view = RandomPurpose(code: 3)
  /// Dropout masks; index = step and layer.
  public static let dropout = RandomPurpose(code: 4)
  /// Dropping of class labels; index = step.
  public static let classDropout = RandomPurpose(code: 5)
  /// Drawing tokens; index = image.
  public static let sampling = RandomPurpose(code: 6)
  /// Drawing class labels; index = image.
  public static let labels = RandomPurpose(code: 7)
  /// Start of a clustering; index = restart.
  public static let clustering = RandomPurpose(code: 8)
  /// Re-seeding of unused codes; index = step.
  public static let deadCodes = RandomPurpose(code: 9)
  /// The held-out split; index = item.
  public static let split = RandomPurpose(code: 10)
  /// Drawing fine codes; index = image, and the filling of it in the upper half.
  public static let fineSampling = RandomPurpose(code: 12)
  /// Keys that a self-guided student cannot see; index = place in the sequence of epochs, and view.
  public static let hiddenKeys = RandomPurpose(code: 14)
  /// Positions of a self-guided step's contrast; index = step.
  public static let contrastPositions = RandomPurpose(code: 15)
  /// Random crops; index = image and view.
  public static let randomCrop = RandomPurpose(code: 16)
  /// Clusters drawn at random.
  public static let clusterAssignment = RandomPurpose(code: 19)
  /// Subsets of samples that a metric is computed on; index = subset.
  public static let metricSubsets = RandomPurpose(code: 20)
  /// Replacement of tokens in robustness studies; index = image.
  public static let perturbation = RandomPurpose(code: 21)
  /// Initial weights of a discriminator; index = parameter.
  public static let discriminator = RandomPurpose(code: 22)
  /// Gumbel noise of the codes; index = image.
  public static let gumbelSampling = RandomPurpose(code: 23)
  /// Inputs of tests.
  public static let test = RandomPurpose(code: 11)
}

/// A counter-based generator (Philox4x32-10): a pure function of (seed, purpose, index, position), so
/// that results depend neither on batch size nor on threads.
public struct CounterRandom: RandomNumberGenerator, Sendable {
  private let key: (UInt32, UInt32)
  private let stream: (UInt32, UInt32, UInt32)
  private var block: UInt32 = 0
  private var words: (UInt64, UInt64) = (0, 0)
  private var unused = 0

  /// - Parameters:
  ///   - seed: the run's seed.
  ///   - purpose: what the numbers are for.
  ///   - index: which image, step or item they are for.
  public init(seed: UInt64, purpose: RandomPurpose, index: UInt64 = 0) {
    key = (UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32))
    stream = (purpose.code, UInt32(truncatingIfNeeded: index), UInt32(truncatingIfNeeded: index >> 32))
  }

  /// The next 64 bits.
  public mutating func next() -> UInt64 {
    if unused == 0 {
      var four: (UInt32, UInt32, UInt32, UInt32) = (0, 0, 0, 0)
      withUnsafeMutableBytes(of: &four) {
        tsr_philox(
          $0.bindMemory(to: UInt32.self).baseAddress, key.0, key.1, block, stream.0, stream.1, stream.2, 1)
      }
      words = (UInt64(four.0) | UInt64(four.1) << 32, UInt64(four.2) | UInt64(four.3) << 32)
      block &+= 1
      unused = 2
    }
    unused -= 1
    return unused == 1 ? words.0 : words.1
  }

  /// Uniform in [0, 1), 53 bits.
  public mutating func uniform() -> Double { Double(next() >> 11) * 0x1p-53 }

  /// Uniform in 0..<bound, with bound below 2^32; each probability is off by less than 2^-32.
  public mutating func integer(below bound: Int) -> Int {
    Int((UInt64(next() >> 32) &* UInt64(bound)) >> 32)
  }

  /// Standard normal, by Box and Muller.
  public mutating func normal() -> Double {
    let radius = (-2 * log(1 - uniform())).squareRoot()
    return radius * cos(2 * Double.pi * uniform())
  }

  /// Fills `words` with the stream's bits from block `first` on (four words per block); for masks.
  public func fill(_ words: UnsafeMutablePointer<UInt32>, blocks: Int, first: UInt32 = 0) {
    tsr_philox(words, key.0, key.1, first, stream.0, stream.1, stream.2, blocks)
  }

  /// A random order of 0..<count (Fisher and Yates).
  public mutating func permutation(_ count: Int) -> [Int] {
    var order = Array(0..<count)
    for i in stride(from: count - 1, to: 0, by: -1) { order.swapAt(i, integer(below: i + 1)) }
    return order
  }
}
