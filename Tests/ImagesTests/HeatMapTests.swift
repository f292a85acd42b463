@testable import Images
import Testing

/// Weights over a picture.
@Suite struct HeatMapTests {
  private func pixel(_ image: RGBImage, _ x: Int, _ y: Int) -> [UInt8] {
    Array(image.pixels[(y * image.width + x) * 3..<(y * image.width + x) * 3 + 3])
  }

  @Test func theLargestWeightIsBrightestAndNoWeightDarkens() {
    let image = RGBImage(width: 48, height: 16, filledWith: RGBColor(200, 100, 40))
    let map = HeatMap(rows: 1, columns: 3, weights: [0, 0.2, 0.1], marked: 0).drawn(over: image)
    #expect(map.width == 48 && map.height == 16)
    #expect(pixel(map, 8, 8) == [100, 50, 20])
    // 0.8 of (255, 230, 0) and 0.2 of the half.
    #expect(pixel(map, 24, 8) == [224, 194, 4])
    #expect(pixel(map, 40, 8) == [162, 122, 12])
  }

  @Test func theMarkedCellIsFramedAndNoOther() {
    let image = RGBImage(width: 32, height: 32, filledWith: .black)
    let map = HeatMap(rows: 2, columns: 2, weights: [0, 0, 0, 0], marked: 3).drawn(over: image)
    for y in 0..<32 {
      for x in 0..<32 {
        let inside = x >= 16 && y >= 16
        let frame = inside && !((18..<30).contains(x) && (18..<30).contains(y))
        #expect(pixel(map, x, y) == (frame ? [230, 0, 0] : [0, 0, 0]), "\(x), \(y)")
      }
    }
  }

  @Test func aCellNeedNotBeAWholeNumberOfPixels() {
    let image = RGBImage(width: 7, height: 5, filledWith: .white)
    let map = HeatMap(rows: 3, columns: 3, weights: [Float](repeating: 1, count: 9), marked: 4).drawn(
      over: image)
    #expect(map.width == 7 && map.height == 5)
    #expect((0..<35).contains { pixel(map, $0 % 7, $0 / 7) == [230, 0, 0] })
  }
}
