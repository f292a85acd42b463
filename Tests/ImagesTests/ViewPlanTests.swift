@testable import Images
import Testing

@Suite struct ViewPlanTests {
  @Test func centerIsTheCenterCrop() throws {
    let image = randomImage(50, 37, seed: 5)
    let views = try ViewPlan.center.views(of: image, name: "x", size: 16)
    #expect(views == [image.centerCropped(to: 16)])
  }

  @Test func flipMirrors() throws {
    let image = randomImage(50, 37, seed: 6)
    let views = try ViewPlan.flip.views(of: image, name: "x", size: 16)
    #expect(views == [image.centerCropped(to: 16), image.centerCropped(to: 16).mirrored()])
    #expect(views[1].mirrored() == views[0])
    #expect(ViewPlan.flip.names == ["center", "center-mirrored"])
  }

  /// The order of torchvision's TenCrop: corners row by row, centre, then the same of the mirrored square.
  @Test func tenCropsAreTorchvisions() throws {
    let image = randomImage(35, 35, seed: 7)
    let views = try ViewPlan.tenCrop.views(of: image, name: "x", size: 32)
    let places = [(0, 0), (3, 0), (0, 3), (3, 3), (2, 2)]
    for (i, place) in places.enumerated() {
      #expect(views[i] == image.cropped(x: place.0, y: place.1, width: 32, height: 32))
      let mirrored = image.mirrored().cropped(x: place.0, y: place.1, width: 32, height: 32)
      #expect(views[i + 5] == mirrored)
    }
    #expect(views.count == 10)
    #expect(ViewPlan.tenCrop.names.count == 10 && Set(ViewPlan.tenCrop.names).count == 10)
  }

  @Test(arguments: [(256, 1.1, 281), (256, 1.05, 268), (32, 1.1, 35), (8, 1.0, 8)])
  func tenCropNeedsALargerSquare(size: Int, ratio: Double, needed: Int) {
    #expect(ViewPlan.tenCrop(ratio: ratio).neededSide(size: size) == needed)
  }

  @Test func smallImagesAreRefusedUnlessAllowed() throws {
    let image = randomImage(40, 34, seed: 8)
    #expect(throws: ImageError.tooSmall(file: "x.png", width: 40, height: 34, needed: 35)) {
      try ViewPlan.tenCrop.views(of: image, name: "x.png", size: 32)
    }
    #expect(try ViewPlan.center.views(of: image, name: "x.png", size: 34).count == 1)
    let views = try ViewPlan.tenCrop.views(of: image, name: "x.png", size: 32, allowUpscale: true)
    #expect(views.allSatisfy { $0.width == 32 && $0.height == 32 })
  }
}

@Suite struct ContactSheetTests {
  @Test func imagesLieWhereTheyShould() {
    let images = (0..<5).map { randomImage(4, 3, seed: UInt64($0)) }
    let gap = RGBColor(1, 2, 3)
    let sheet = try! ContactSheet(padding: 2, background: gap).compose(images, columns: 3)
    #expect(sheet.width == 3 * 6 + 2 && sheet.height == 2 * 5 + 2)
    for (i, image) in images.enumerated() {
      #expect(sheet.cropped(x: 2 + i % 3 * 6, y: 2 + i / 3 * 5, width: 4, height: 3) == image)
    }
    let empty = RGBImage(width: 4, height: 3, filledWith: gap)
    #expect(sheet.cropped(x: 14, y: 7, width: 4, height: 3) == empty)
    #expect(
      sheet.cropped(x: 0, y: 0, width: 20, height: 2) == RGBImage(width: 20, height: 2, filledWith: gap))
  }

  @Test func originalsLieAboveReconstructions() {
    let upper = (0..<3).map { randomImage(2, 2, seed: UInt64($0)) }
    let lower = (3..<6).map { randomImage(2, 2, seed: UInt64($0)) }
    let sheet = try! ContactSheet(padding: 0).compose(stacked: [upper, lower], columns: 2)
    #expect(sheet.width == 4 && sheet.height == 8)
    #expect(sheet.cropped(x: 2, y: 0, width: 2, height: 2) == upper[1])
    #expect(sheet.cropped(x: 2, y: 2, width: 2, height: 2) == lower[1])
    #expect(sheet.cropped(x: 0, y: 4, width: 2, height: 2) == upper[2])
    #expect(sheet.cropped(x: 0, y: 6, width: 2, height: 2) == lower[2])
  }

  @Test func enlargementRepeatsPixels() {
    let image = randomImage(3, 2, seed: 9)
    let large = image.enlarged(by: 3)
    #expect(large.width == 9 && large.height == 6)
    #expect(large.resized(width: 3, height: 2, filter: .box) == image)
    let sheet = try! ContactSheet(padding: 0, enlargement: 3).compose([image], columns: 1)
    #expect(sheet == large)
  }
}
