import Foundation
@testable import Images
import Testing

/// Makes empty files at the given relative paths; listing does not open them.
private func makeFiles(_ names: [String], in folder: URL) throws {
  for name in names {
    let file = folder.appending(path: name)
    try FileManager.default.createDirectory(
      at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data().write(to: file)
  }
}

@Suite struct ImageFolderTests {
  @Test func subfoldersAreClasses() throws {
    try withTemporaryFolder { folder in
      try makeFiles(
        [
          "b/2.png", "b/10.PNG", "a/x/deep.JPeg", "a/y.jpg", "a/notes.txt", "Z/1.png", ".git/no.png",
          "b/.hidden.png",
        ],
        in: folder)
      let listing = try ImageFolder.list(folder.path)
      #expect(listing.classNames == ["Z", "a", "b"])
      let found = listing.entries.map {
        "\($0.label) " + $0.name.dropFirst(folder.path.count + 1)
      }
      #expect(found == ["0 Z/1.png", "1 a/x/deep.JPeg", "1 a/y.jpg", "2 b/10.PNG", "2 b/2.png"])
      #expect(try ImageFolder.list(folder.path + "/").classNames == listing.classNames)
    }
  }

  @Test func flatFolderIsOneClass() throws {
    try withTemporaryFolder { folder in
      try makeFiles(["cats/2.png", "cats/1.png"], in: folder)
      let cats = folder.appending(path: "cats").path
      let listing = try ImageFolder.list(cats)
      #expect(listing.classNames == ["cats"])
      #expect(
        listing.entries == [.init(path: cats + "/1.png", label: 0), .init(path: cats + "/2.png", label: 0)])
    }
  }

  @Test func whatIsNotAFolderOfImagesIsRefused() throws {
    try withTemporaryFolder { folder in
      let path = folder.path
      #expect(throws: ImageError.notFound(file: path + "/no", expected: "a folder of images")) {
        try ImageFolder.list(path + "/no")
      }
      #expect(throws: ImageError.noImages(folder: path)) { try ImageFolder.list(path) }
      try makeFiles(["a/readme.txt"], in: folder)
      #expect(throws: ImageError.noImages(folder: path)) { try ImageFolder.list(path) }
      try makeFiles(["b/1.png"], in: folder)
      #expect(throws: ImageError.emptyClass(folder: path + "/a")) { try ImageFolder.list(path) }
      try makeFiles(["loose.png"], in: folder)
      #expect(throws: ImageError.mixedFolder(folder: path, image: "loose.png", subfolder: "a")) {
        try ImageFolder.list(path)
      }
      #expect(throws: ImageError.notFound(file: path + "/loose.png", expected: "a folder of images")) {
        try ImageFolder.list(path + "/loose.png")
      }
    }
  }

  @Test func linksToAParentAreNotFollowedForEver() throws {
    try withTemporaryFolder { folder in
      try makeFiles(["a/1.png"], in: folder)
      let loop = folder.appending(path: "a/loop")
      try FileManager.default.createSymbolicLink(at: loop, withDestinationURL: folder)
      #expect(throws: ImageError.self) { try ImageFolder.list(folder.path) }
    }
  }
}

@Suite struct ImageListTests {
  @Test func classesAreNamedOrTakenFromTheFolder() throws {
    let listing = try ImageListing(list: "x/1.png\tdog\n\n./2.png\ny/cat/3.png\n", name: "stdin")
    #expect(listing.classNames == ["cat", "dog", "images"])
    #expect(
      listing.entries == [
        .init(path: "x/1.png", label: 1), .init(path: "./2.png", label: 2),
        .init(path: "y/cat/3.png", label: 0),
      ])
  }

  @Test func knownClassesKeepTheirOrder() throws {
    let listing = try ImageListing(list: "1.png\tcat", name: "stdin", classNames: ["dog", "cat"])
    #expect(listing.classNames == ["dog", "cat"] && listing.entries[0].label == 1)
    #expect(
      throws: ImageError.unknownClass(list: "stdin", line: 2, found: "cow", known: ["dog", "cat"])
    ) {
      try ImageListing(list: "1.png\tcat\n2.png\tcow", name: "stdin", classNames: ["dog", "cat"])
    }
  }

  @Test(arguments: ["a.png\tx\ty", "\tx", "a.png\t", "a.png\r"])
  func malformedLinesAreNamed(line: String) {
    let error = #expect(throws: ImageError.self) {
      try ImageListing(list: "good.png\tx\n" + line + "\n", name: "stdin")
    }
    #expect(error?.description.hasPrefix("stdin, line 2: expected 'path' or 'path TAB class'") == true)
  }

  @Test func emptyListHasNoImages() {
    #expect(throws: ImageError.noImages(folder: "stdin")) { try ImageListing(list: "\n\n", name: "stdin") }
  }
}

@Suite struct ImageErrorTests {
  static let all: [ImageError] = [
    .notFound(file: "F", expected: "e"), .unreadable(file: "F", reason: "r"),
    .unknownFormat(file: "F", found: "f"),
    .malformed(file: "F", format: "PNG", reason: "r"), .tooLarge(file: "F", width: 1, height: 2),
    .tooSmall(file: "F", width: 1, height: 2, needed: 3), .noImages(folder: "F"), .emptyClass(folder: "F"),
    .mixedFolder(folder: "F", image: "i", subfolder: "s"),
    .unknownClass(list: "F", line: 1, found: "f", known: ["k"]),
    .malformedList(list: "F", line: 1, found: "f"), .outOfMemory(file: "F"),
    .inaccessible(file: "F", reason: "r"), .unsuitable(file: "F", found: "f"),
    .sameClass(folder: "F", name: "n"),
  ]

  @Test(arguments: all)
  func descriptionsNameTheFileFirst(error: ImageError) {
    #expect(error.description.hasPrefix("F"))
    #expect(error.description.count > 10)
    #expect(!error.description.contains("\n"))
  }

  @Test func descriptionsSayWhatToTry() {
    let small = ImageError.tooSmall(file: "cat.png", width: 20, height: 30, needed: 32).description
    #expect(small.contains("20 x 30") && small.contains("at least 32") && small.contains("upscal"))
  }
}
