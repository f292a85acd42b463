/// The distance at which a block attends, and its attention to the class: means over images, heads and all
/// queries whose input is a token (ST-AR, section 3, observation 1).
///
/// The distance of a query is the mean Euclidean distance on the grid, in tokens, from its input token to the tokens that
/// it attends to, weighted by attention: the class position, which has no place on the grid, is left out, and the other
/// weights are divided by their sum. A query that attends to the class alone has no distance and does not count.
public struct AttentionSummary: Sendable {
  /// Distance of each pair of tokens, [N, N].
  private let distances: [Float]
  private let tokenCount: Int
  private var distanceSum = 0.0
  private var distanceCount = 0
  private var classSum = 0.0
  private var classCount = 0

  /// Nothing yet, on a grid of tokens in raster order.
  public init(rows: Int, columns: Int) {
    precondition(rows > 0 && columns > 0, "AttentionSummary: a grid of \(rows) x \(columns)")
    let n = rows * columns
    tokenCount = n
    distances = (0..<n * n).map {
      let (a, b) = ($0 / n, $0 % n)
      let (down, across) = (a / columns - b / columns, a % columns - b % columns)
      return Float(down * down + across * across).squareRoot()
    }
  }

  /// Adds all queries of a batch.
  public mutating func add(_ attention: AttentionProbabilities) {
    precondition(attention.tokenCount == tokenCount, "AttentionSummary: \(attention.values.shape)")
    for image in 0..<attention.imageCount {
      for head in 0..<attention.headCount {
        for token in 0..<tokenCount { add(attention.row(image: image, head: head, token: token), of: token) }
      }
    }
  }

  private mutating func add(_ row: UnsafeBufferPointer<Float>, of token: Int) {
    classSum += Double(row[0])
    classCount += 1
    var (weight, distance) = (0.0, 0.0)
    for key in 0..<tokenCount {
      weight += Double(row[1 + key])
      distance += Double(row[1 + key] * distances[token * tokenCount + key])
    }
    // Scores that overflow leave a row of NaN or of zeros, which must not pass for attention to nothing.
    if !(abs(Double(row[0]) + weight - 1) < 1e-2) { distanceSum = .nan }
    if weight == 0 { return }
    distanceSum += distance / weight
    distanceCount += 1
  }

  /// Mean attention distance, in tokens; 0 before anything was added.
  public var meanDistance: Double {
    distanceSum.isNaN ? .nan : distanceCount > 0 ? distanceSum / Double(distanceCount) : 0
  }
  /// Mean weight on the class position.
  public var classWeight: Double { classCount > 0 ? classSum / Double(classCount) : 0 }

  /// The distance of a block that attends equally to all that it sees, for comparison.
  public var uniformDistance: Double {
    (0..<tokenCount).reduce(0.0) { sum, token in
      let row = distances[token * tokenCount...token * tokenCount + token]
      return sum + row.reduce(0.0) { $0 + Double($1) } / Double(token + 1)
    } / Double(tokenCount)
  }
}
