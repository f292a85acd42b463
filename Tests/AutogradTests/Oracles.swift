import Glibc

/// x sigmoid(x), in double.
func swish(_ x: Double) -> Double { x / (1 + exp(-x)) }

/// log of the sum of exponentials, in double; -infinity of nothing.
func logSumExp(_ x: [Double]) -> Double {
  guard let maximum = x.max() else { return -.infinity }
  return maximum + log(x.reduce(0) { $0 + exp($1 - maximum) })
}
