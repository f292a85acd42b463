import Communication
import Evaluation
import Glibc

extension Communicator {
  /// Adds up the sums of all ranks, which have the same names. No addition rounds, so that any shares give the same.
  func sum(_ sums: [String: MeanSum]) -> [String: MeanSum] {
    let names = sums.keys.sorted()
    // For each name: the positions, how many terms there are, the terms.
    let own = names.flatMap { name -> [Double] in
      let terms = sums[name]!.sum.terms
      return [Double(sums[name]!.count), Double(terms.count)] + terms
    }
    var rest = gather(numbers: own)[...]
    var total: [String: MeanSum] = [:]
    for _ in 0..<count {
      for name in names {
        let (positions, terms) = (Int(rest.removeFirst()), Int(rest.removeFirst()))
        total[name, default: MeanSum()].add(
          MeanSum(sum: UnroundedSum(Array(rest.prefix(terms))), count: positions))
        rest = rest.dropFirst(terms)
      }
    }
    return total
  }
}

/// The means of sums by name, and the perplexity.
func means(of sums: [String: MeanSum]) -> [String: Double] {
  var means = sums.compactMapValues(\.mean)
  means["perplexity"] = means["loss"].map { exp($0) }
  return means
}
