import Codebooks
import ToolRuntime

extension ClusterStatistics {
  /// The figures of IAR's tables 4, A8 and A10, for a summary.
  public var json: JSONValue {
    [
      "inner_mse": .number(innerMSE), "mean_distance": .number(meanDistance),
      "closest_distance": .number(closestDistance), "largest_distance": .number(largestDistance),
      "mean_squared_distance": .number(meanSquaredDistance),
      "closest_squared_distance": .number(closestSquaredDistance),
      "largest_squared_distance": .number(largestSquaredDistance),
    ]
  }
}
