import ImageModels
import LlamaGen

/// The losses that self-guided training adds to the token loss.
public enum SelfGuidedLoss: String, Sendable, Codable, CaseIterable {
  /// L_MIM: the masked student's last features against the teacher's (ST-AR, equation 4).
  case masked
  /// L_step: contrast between positions of one view (equation 6).
  case step
  /// L_view: contrast between views at one position (equation 7).
  case view
}

extension SelfGuidance {
  /// The options of ST-AR. The defaults are the paper's, or our own if the paper gives none.
  public struct Options: Sendable, Equatable, Codable {
    /// The losses that are on.
    public var losses: [SelfGuidedLoss] = SelfGuidedLoss.allCases
    /// r, the share of tokens that the student cannot attend to.
    public var maskRatio = 0.25
    /// Whether each block draws a set of hidden tokens of its own; otherwise one serves all blocks.
    public var masksEachBlock = false
    /// alpha, the weight of L_MIM.
    public var maskedWeight: Float = 1
    /// beta, the weight of the mean of L_step and L_view.
    public var contrastWeight: Float = 0.5
    /// K, the positions of a step's contrast, shared by its images.
    public var contrastPositions = 4
    /// The block whose output is contrasted, from 1.
    public var contrastLayer: Int
    /// What cosines are divided by.
    public var contrastTemperature: Float = 0.2
    /// Whether features are scaled to length 1 before they are compared.
    public var normalizesFeatures = true
    /// Whether the terms are added up over views and positions, as printed in the paper, and not averaged.
    public var sumsContrast = false
    /// Share of the teacher kept at each step.
    public var teacherDecay: Float = 0.9999
    /// W: after n steps the share is at most (1 + n) / (W + n); 1 means no warm-up.
    public var teacherWarmup = 10
    /// Linear layers of the projector; 0 for none.
    public var projectorLayers = 2
    /// Channels between the projector's layers.
    public var projectorWidth: Int

    public init(_ configuration: TransformerConfiguration) {
      contrastLayer = Self.contrastLayer(of: configuration)
      projectorWidth = configuration.width
    }

    /// The middle block. For GPT-L, whose middle block is 12, the paper uses 18, as for XL.
    static func contrastLayer(of configuration: TransformerConfiguration) -> Int {
      let large = TransformerConfiguration.named["GPT-L"]!
      let isLarge =
        (configuration.layers, configuration.heads, configuration.width)
        == (large.layers, large.heads, large.width)
      return isLarge ? 18 : max(1, configuration.layers / 2)
    }

    /// Whether either contrast is on.
    public var contrasts: Bool { losses.contains(.step) || losses.contains(.view) }

    /// The share of the teacher kept after `step` steps.
    func decay(afterSteps step: Int) -> Float {
      min(teacherDecay, Float(1 + step) / Float(teacherWarmup + step))
    }
  }
}
