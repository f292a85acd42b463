import Glibc
@testable import NeuralNet
import TensorCore
import Testing

@Suite struct ScheduleTests {
  @Test func constant() {
    let schedule = LearningRateSchedule(peak: 0.1, warmupSteps: 4, totalSteps: 10)
    let rates = (0..<10).map { schedule.rate(at: $0) }
    let expected = [0.025, 0.05, 0.075] + [Double](repeating: 0.1, count: 7)
    #expect(zip(rates, expected).allSatisfy { abs($0 - $1) < 1e-15 })
  }

  @Test func cosine() {
    let schedule = LearningRateSchedule(shape: .cosine, peak: 1, final: 0.2, warmupSteps: 10, totalSteps: 110)
    #expect(schedule.rate(at: 0) == 0.1 && schedule.rate(at: 9) == 1 && schedule.rate(at: 10) == 1)
    #expect(abs(schedule.rate(at: 60) - 0.6) < 1e-12, "half way")
    #expect(abs(schedule.rate(at: 35) - (0.2 + 0.4 * (1 + 0.5.squareRoot()))) < 1e-12, "a quarter of the way")
    #expect(schedule.rate(at: 110) == 0.2 && schedule.rate(at: 1000) == 0.2)
    #expect(abs(schedule.rate(at: 109) - 0.2) < 0.8 * 2.5e-4, "the last step is next to the end")
    let rates = (10..<110).map { schedule.rate(at: $0) }
    #expect(zip(rates, rates.dropFirst()).allSatisfy { $0 > $1 })
  }

  @Test func withoutWarmupOrSteps() {
    #expect(LearningRateSchedule(peak: 0.3, totalSteps: 5).rate(at: 0) == 0.3)
    let all = LearningRateSchedule(shape: .cosine, peak: 0.3, warmupSteps: 5, totalSteps: 5)
    #expect(all.rate(at: 4) == 0.3 && all.rate(at: 5) == 0.3)
  }
}

@Suite struct RotaryTableTests {
  @Test(arguments: [(4, 4, 16), (3, 5, 8), (1, 1, 4)]) func anglesOfRowsAndColumns(
    rows: Int, columns: Int, size: Int
  ) {
    let table = RotaryTable.make(
      device: Device(threadCount: 1), rows: rows, columns: columns, headSize: size, base: 10000)
    #expect(table.shape == [1 + rows * columns, size / 2, 2])
    let values = table.toArray()
    #expect(values[..<size].allSatisfy { $0 == 0 }, "the class position's query and key vanish")
    for position in 0..<rows * columns {
      for pair in 0..<size / 2 {
        let isRow = pair < size / 4
        let exponent = Double(isRow ? pair : pair - size / 4) * 4 / Double(size)
        let angle = Double(isRow ? position / columns : position % columns) * pow(10000, -exponent)
        let entry = ((position + 1) * size / 2 + pair) * 2
        #expect(abs(Double(values[entry]) - cos(angle)) < 1e-7)
        #expect(abs(Double(values[entry + 1]) - sin(angle)) < 1e-7)
      }
    }
  }
}
