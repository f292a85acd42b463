import Glibc
@testable import ImageModels
import Testing

@Suite struct GuidanceTests {
  @Test func schedules() {
    func scales(_ guidance: Guidance) -> [Double] { (0..<5).map { guidance.scale(at: $0, of: 5) } }
    #expect(scales(Guidance(scale: 3)) == [3, 3, 3, 3, 3])
    #expect(scales(Guidance(scale: 3, schedule: .interval, interval: 0.25...0.5)) == [1, 3, 3, 1, 1])
    #expect(scales(Guidance(scale: 3, schedule: .linear)) == [1, 1.5, 2, 2.5, 3])
    for power in [1.0, 2.5] {
      let expected = (0..<5).map { 1 + 2 * (1 - cos(.pi * pow(Double($0) / 4, power))) / 2 }
      #expect(scales(Guidance(scale: 3, schedule: .powerCosine, power: power)) == expected)
    }
  }

  @Test func lastGuidedPosition() {
    #expect(Guidance(scale: 2).lastGuided(of: 9) == 8)
    #expect(Guidance(scale: 1).lastGuided(of: 9) == nil)
    #expect(Guidance(scale: 2, schedule: .interval, interval: 0...0.5).lastGuided(of: 9) == 4)
    #expect(Guidance(scale: 2, schedule: .linear).lastGuided(of: 1) == nil)
  }
}
