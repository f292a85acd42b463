import Datasets
import NeuralNet
import StreamFormat
import ToolRuntime

extension ToolSession {
  /// Reports the scores, sizes and speed of a run that trained on tokens.
  /// - Throws: `StreamError`.
  public func reportTraining(
    _ outcome: TrainingOutcome, _ store: ParameterStore, batchSize: Int, data: TokenDataset
  ) throws {
    let tokens = outcome.steps * batchSize * data.header.tokensPerView
    try report(
      outcome.scores.mapValues { .number($0) }.merging([
        "parameters": .integer(store.scalarCount), "unigram_entropy": .number(data.unigramEntropy),
        "steps": .integer(outcome.steps), "seconds": .number(outcome.seconds),
        "tokens_per_second": .number(Double(tokens) / outcome.seconds),
      ]) { $1 })
  }
}
