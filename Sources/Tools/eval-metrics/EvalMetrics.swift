import ArgumentParser
import FeatureNetworks
import ImageModels
import Images
import StreamFormat
import TensorCore
import ToolRuntime

@main struct EvalMetrics: Tool {
  static let toolName = "eval-metrics"
  static let summary =
    "Judges samples against a reference: FID, sFID, IS, KID, precision, recall; MSE, PSNR, SSIM, LPIPS."
  static let usageExample =
    "eval-metrics --reference emoji/ --samples samples/ --network squeezenet-1.1 --weights squeezenet.tensors.zst --json"
  static var versionDetails: [String] { BuildInformation.lines }

  @OptionGroup(title: "Inputs") var inputs: InputOptions
  @OptionGroup(title: "Metrics") var metrics: MetricOptions
  @OptionGroup(title: "Outputs") var outputs: OutputOptions
  @OptionGroup(title: "Common") var common: CommonOptions

  func validate() throws {
    try common.requireFreeStandardOutput(
      besides: outputs.writeFeatures, outputs.writeStatistics, outputs.nearestSheet)
    try InputPath.requireDistinct(
      inputs.reference, inputs.samples, inputs.referenceImages, inputs.samplesImages, inputs.tokenizer,
      metrics.weights, metrics.lpipsWeights)
    let hasBoth = inputs.reference != nil && inputs.samples != nil
    if outputs.writesOneSide {
      if hasBoth || metrics.pairs || outputs.nearestSheet != nil {
        throw ValidationError(
          "--write-features and --write-statistics take one side: give --reference or --samples, and run again with "
            + "the file that was written.")
      }
    } else if !hasBoth {
      throw ValidationError("give both --reference and --samples.")
    }
    if outputs.sharding.shard != nil, outputs.writeFeatures == nil || outputs.writeStatistics != nil {
      throw ValidationError(
        "--shard is for --write-features alone; statistics and metrics are of the concatenated features.")
    }
    if inputs.referenceImages != nil || inputs.samplesImages != nil, outputs.nearestSheet == nil {
      throw ValidationError("--reference-images and --samples-images are for --nearest-sheet.")
    }
    if outputs.nearestSheet?.isStandardOutput == true {
      throw ValidationError("the scores take standard output; name a file for --nearest-sheet.")
    }
    if metrics.pairs && metrics.network == nil
      && (metrics.metrics != nil || metrics.frechetInfinity || outputs.nearestSheet != nil)
    {
      throw ValidationError("--pairs with other metrics needs --network.")
    }
  }

  func execute(_ session: ToolSession) throws {
    let device = session.device()
    let tokenizer = try inputs.tokenizer.map { try Tokenizer(session.readRecord($0), device: device) }
    let weights = try metrics.weights.map { try session.readRecord($0) }
    // Without weights, the name says what the features of both sides are of.
    let isLoadable = metrics.network.map { weights != nil || !FeatureNetworks.namesWithWeights.contains($0) }
    let network =
      isLoadable == true
      ? try metrics.network.map {
        try FeatureNetworks.load($0, weights: weights, tokenizer: tokenizer, device: device)
      } : nil
    let perceptual = try metrics.lpipsWeights.map {
      try PerceptualDistance(weights: session.readRecord($0), device: device)
    }
    let run = EvaluationRun(
      session: session, device: device, network: network, perceptual: perceptual, inputs: inputs,
      metrics: metrics, outputs: outputs)
    let loader = InputLoader(
      session: session, device: device, tokenizer: tokenizer, options: inputs, sharding: outputs.sharding,
      network: metrics.network)
    if outputs.writesOneSide {
      let (input, role) = inputs.reference.map { ($0, Role.reference) } ?? (inputs.samples!, .samples)
      try run.write(loader.load(input, as: role))
    } else {
      let reference = try loader.load(inputs.reference!, as: .reference)
      let samples = try loader.load(inputs.samples!, as: .samples)
      let shown = (
        reference: try inputs.referenceImages.map { try loader.load($0, as: .reference) } ?? reference,
        samples: try inputs.samplesImages.map { try loader.load($0, as: .samples) } ?? samples
      )
      try run.compare(reference, samples, shown: shown)
    }
  }
}
