@testable import Images
import Testing

@Suite struct RandomCropsTests {
  let crops = RandomCrops(count: 5, seed: 3)

  @Test func viewsAreResizedRectangles() throws {
    let image = randomImage(60, 41, seed: 20)
    let plan = ViewPlan.randomCrops(crops)
    let views = try plan.views(of: image, name: "x", item: 9, size: 16)
    #expect(views.count == 5)
    #expect(plan.names == (1...5).map { "random-crop-\($0)" })
    for (view, actual) in views.enumerated() {
      let (box, isMirrored) = crops.draw(width: 60, height: 41, item: 9, view: view)
      let crop = image.cropped(x: box.x, y: box.y, width: box.width, height: box.height)
        .resized(width: 16, height: 16, filter: .bicubic)
      #expect(actual == (isMirrored ? crop.mirrored() : crop))
    }
  }

  /// A view depends on the seed, the image's number and its own, and not on how many views there are.
  @Test func viewsFollowTheirKey() throws {
    let image = randomImage(40, 40, seed: 21)
    func views(_ crops: RandomCrops, _ item: Int) throws -> [RGBImage] {
      try ViewPlan.randomCrops(crops).views(of: image, name: "x", item: item, size: 8)
    }
    let first = try views(crops, 4)
    #expect(try views(crops, 4) == first)
    #expect(try views(RandomCrops(count: 2, seed: 3), 4) == Array(first.prefix(2)))
    #expect(try views(crops, 5) != first)
    #expect(try views(RandomCrops(count: 5, seed: 4), 4) != first)
    #expect(first[0] != first[1])
  }

  @Test(arguments: [(224, 224), (300, 100), (64, 200)]) func boxesKeepToTheirRanges(width: Int, height: Int) {
    let crops = RandomCrops(count: 1, seed: 8, scale: 0.1...0.3, ratio: 0.5...2)
    var (areas, mirrored): ([Double], Int) = ([], 0)
    for item in 0..<2000 {
      let (box, isMirrored) = crops.draw(width: width, height: height, item: item, view: 0)
      #expect(box.x >= 0 && box.x + box.width <= width)
      #expect(box.y >= 0 && box.y + box.height <= height)
      let area = Double(box.width * box.height) / Double(width * height)
      // Sides of at least 20 pixels, each rounded by half a pixel.
      #expect(area > 0.094 && area < 0.318, "\(box)")
      let shape = Double(box.width) / Double(box.height)
      #expect(shape > 0.47 && shape < 2.12, "\(box)")
      areas.append(area)
      mirrored += isMirrored ? 1 : 0
    }
    // Uniform between 0.1 and 0.3 where every shape fits: mean 0.2, deviation 0.058 / sqrt(2000).
    let mean = areas.reduce(0, +) / 2000
    if width == height { #expect(abs(mean - 0.2) < 0.006) }
    // Binomial, deviation 22.
    #expect(abs(mirrored - 1000) < 110)
  }

  @Test(arguments: [0.0, 1.0]) func mirrorsNeverOrAlways(rate: Double) {
    let crops = RandomCrops(count: 1, seed: 8, mirrorRate: rate)
    let drawn = (0..<50).map { crops.draw(width: 32, height: 32, item: $0, view: 0).isMirrored }
    #expect(drawn.allSatisfy { $0 == (rate == 1) })
  }

  @Test func theWholeImageWhereNothingElseIsAllowed() {
    let whole = RandomCrops(count: 1, seed: 1, scale: 1...1, ratio: 1...1)
    #expect(
      whole.draw(width: 32, height: 32, item: 0, view: 0).box == .init(x: 0, y: 0, width: 32, height: 32))
  }

  /// Ten draws that do not fit end at the largest central rectangle of an allowed shape.
  @Test func imagesOfImpossibleShapesGiveTheirMiddle() {
    let whole = RandomCrops(count: 1, seed: 1, scale: 1...1)
    #expect(
      whole.draw(width: 90, height: 30, item: 0, view: 0).box == .init(x: 25, y: 0, width: 40, height: 30))
    #expect(
      whole.draw(width: 30, height: 90, item: 0, view: 0).box == .init(x: 0, y: 25, width: 30, height: 40))
  }

  @Test func smallImagesAreRefusedUnlessAllowed() throws {
    let image = randomImage(20, 12, seed: 22)
    let plan = ViewPlan.randomCrops(crops)
    #expect(throws: ImageError.tooSmall(file: "x.png", width: 20, height: 12, needed: 16)) {
      try plan.views(of: image, name: "x.png", size: 16)
    }
    #expect(try plan.views(of: image, name: "x.png", size: 16, allowUpscale: true).count == 5)
  }
}
