@testable import Images
import Testing

/// Numbers as colours.
@Suite struct HeatScaleTests {
  @Test func theColours() {
    let scale = HeatScale(full: 4)
    let expected: [(Double, RGBColor)] = [
      (-1, .black), (0, .black), (1, RGBColor(128, 0, 0)), (2, RGBColor(255, 0, 0)),
      (3, RGBColor(255, 128, 0)),
      (4, RGBColor(255, 255, 0)), (4.001, .white), (.infinity, .white),
    ]
    for (value, color) in expected { #expect(scale.color(of: value) == color, "\(value)") }
  }

  @Test func aCellPerPixelOrMore() {
    let scale = HeatScale(full: 1)
    let small = scale.picture(of: [0, 1, 0.5, 2], rows: 2, columns: 2)
    let cells: [[UInt8]] = [[0, 0, 0], [255, 255, 0], [255, 0, 0], [255, 255, 255]]
    #expect(small == RGBImage(width: 2, height: 2, pixels: cells.flatMap { $0 }))
    #expect(scale.picture(of: [0, 1, 0.5, 2], rows: 2, columns: 2, size: (4, 4)) == small.enlarged(by: 2))
    // Three pixels for two cells: the place of a pixel decides.
    let row = scale.picture(of: [0, 1], rows: 1, columns: 2, size: (1, 3))
    #expect(row.pixels == cells[0] + cells[0] + cells[1])
  }
}
