import Autograd
import CKernels

/// IAR's loss (section 3.3): the token cross-entropy plus lambda times the cross-entropy of the target's cluster, whose
/// probability is the sum of the probabilities of its codes. After ``Codebooks/BalancedPartition`` has put the codes in
/// order, cluster c is the codes c * size ..< (c + 1) * size.
public struct ClusterLoss: RowLoss, Equatable {
  /// Weight of the uniform distribution in the target of the token term, 0 ..< 1.
  public var labelSmoothing: Float
  /// m, the codes in a cluster; 0 turns the cluster term off.
  public var clusterSize: Int
  /// lambda, the weight of the cluster term.
  public var clusterWeight: Float

  public init(labelSmoothing: Float = 0, clusterSize: Int, clusterWeight: Float = 1) {
    (self.labelSmoothing, self.clusterSize, self.clusterWeight) = (labelSmoothing, clusterSize, clusterWeight)
  }

  public var additionalTerm: (name: String, weight: Float)? {
    clusterSize > 0 ? ("cluster_loss", clusterWeight) : nil
  }

  public func check(vocabulary: Int) {
    precondition(
      clusterSize == 0 || vocabulary % clusterSize == 0,
      "ClusterLoss: \(vocabulary) codes do not divide into clusters of \(clusterSize)")
  }

  public func computeRow(
    _ losses: UnsafeMutablePointer<Float>, gradient: UnsafeMutablePointer<Float>?,
    logits: UnsafePointer<Float>,
    vocabulary: Int, target: Int, scale: Float
  ) {
    // One pass over the logits gives both terms and the gradient
    // p - [y] + lambda (p - p restricted to y's cluster / P of the cluster).
    tsr_cross_entropy_row(
      losses, gradient, logits, vocabulary, target, labelSmoothing, clusterSize, clusterWeight, scale)
  }
}

extension CrossEntropyResult {
  /// Mean cross-entropy of the target's cluster, in nats per token; 0 where the term is off.
  public var clusterLoss: Double { additionalLoss }
}
