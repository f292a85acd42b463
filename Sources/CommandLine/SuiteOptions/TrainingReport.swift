import Datasets
import StreamFormat
import ToolRuntime
import Training

extension ToolSession {
  /// Reports the scores, sizes and speed of a run that trained on tokens.
  /// - Parameter parameters: the number of the model's weights, without what only its training has.
  /// - Throws: `StreamError`.
  public func reportTraining(
    _ outcome: TrainingOutcome, _ task: any TrainingTask, parameters: Int, data: TokenDataset
  ) throws {
    sayScores(outcome)
    let tokens = outcome.steps * task.imagesPerStep * task.viewsPerImage * data.header.tokensPerView
    try report(
      outcome.summary(task).merging([
        "parameters": .integer(parameters), "unigram_entropy": .number(data.unigramEntropy),
        "tokens_per_second": .number(Double(tokens) / outcome.seconds),
      ]) { $1 })
  }
}

extension ToolSession {
  /// The scores of the held-out images at the end of a training, in a line.
  public func sayScores(_ outcome: TrainingOutcome) {
    let words = outcome.scores.sorted { $0.key < $1.key }.map { name, value in
      "\(name.replacing("_", with: " ")) \(printed("%.4g", value))"
    }
    if !words.isEmpty { say(words.joined(separator: ", ")) }
  }
}

extension TrainingOutcome {
  /// What the summaries of all training tools have.
  public func summary(_ task: any TrainingTask) -> [String: JSONValue] {
    let last = task.settings.training.steps
    var summary = scores.mapValues { JSONValue.number($0) }
    for (name, count) in task.seen(after: last) { summary[name] = .integer(count) }
    summary["epochs"] = .number(Double(last * task.imagesPerStep) / Double(task.trainingCount))
    (summary["steps"], summary["seconds"]) = (.integer(steps), .number(seconds))
    if let communication { summary.merge(communication.fields(steps: steps)) { own, _ in own } }
    return summary
  }
}

extension CommunicationCost {
  /// The means per step of a run of several ranks.
  func fields(steps: Int) -> [String: JSONValue] {
    let steps = Double(max(steps, 1))
    return [
      "communication_seconds_per_step": .number(seconds / steps),
      "communication_seconds_alone_per_step": .number(secondsAlone / steps),
      "communication_bytes_per_step": .number(bytesSent / steps),
    ]
  }
}
