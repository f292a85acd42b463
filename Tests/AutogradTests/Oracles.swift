@testable import Autograd
import Glibc

/// x sigmoid(x), in double.
func silu(_ x: Double) -> Double { x / (1 + exp(-x)) }
