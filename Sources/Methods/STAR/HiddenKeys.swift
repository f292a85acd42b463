import Autograd
import StreamFormat
import TensorCore

/// The tokens that a self-guided student cannot attend to (ST-AR 3.3.1): in each sequence a random set of a given
/// share of the token positions. The class position always stays visible, and each query sees itself.
///
/// A set depends only on the seed and the number of the sequence, not on its batch.
struct HiddenKeys {
  /// Masks [B, T] of the visible positions, as bytes: one for all blocks, or one per block; empty if nothing
  /// is masked.
  private let visible: [[UInt8]]

  /// - Parameters:
  ///   - sequences: numbers of the sequences of a batch, in the endless run of epochs.
  ///   - length: T, the class position and the tokens after it.
  ///   - ratio: share of the T - 1 tokens that is hidden, rounded to a number of tokens.
  ///   - blocks: number of sets per sequence, one per block; 1 means one set for all blocks.
  init(sequences: Range<Int>, length: Int, ratio: Double, blocks: Int, seed: UInt64) {
    let count = Int((ratio * Double(length - 1)).rounded())
    guard count > 0 else {
      visible = []
      return
    }
    var visible = [[UInt8]](
      repeating: [UInt8](repeating: 1, count: sequences.count * length), count: blocks)
    for (row, sequence) in sequences.enumerated() {
      var random = CounterRandom(seed: seed, purpose: .hiddenKeys, index: UInt64(sequence))
      for block in 0..<blocks {
        for key in random.permutation(length - 1).prefix(count) { visible[block][row * length + 1 + key] = 0 }
      }
    }
    self.visible = visible
  }

  /// The mask of a block.
  func mask(block: Int) -> AttentionMask {
    visible.isEmpty ? .causal : .causalVisible(visible[visible.count == 1 ? 0 : block])
  }
}
