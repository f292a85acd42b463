import Foundation
@testable import Images
import Testing

/// Names of files are bytes, and names of classes are any text.
@Suite struct NamesAndFilesTests {
  private func makeFile(_ path: FilePath) {
    let descriptor = path.withCString { open($0, O_WRONLY | O_CREAT, 0o600) }
    #expect(descriptor >= 0)
    close(descriptor)
  }

  private func makeFolder(_ path: FilePath) {
    #expect(path.withCString { mkdir($0, 0o700) } == 0)
  }

  // MARK: Classes as folders

  static let names = [
    "cat", "..", ".", ".hidden", "a/b", "a_b", "/", "", "50%", "%2F", "%2e", "%252F", "%_", "a\0b", "%E9",
    "é", "\n",
    "no-class", "%2E.", "a%2Eb", "...", "%00", "%%25",
  ]

  @Test func everyClassHasAFolderOfItsOwn() {
    let folders = Self.names.map(ClassFolder.name)
    #expect(Set(folders).count == Self.names.count)
    for (name, folder) in zip(Self.names, folders) {
      #expect(!folder.isEmpty && !folder.hasPrefix(".") && !folder.contains("/") && !folder.contains("\0"))
      #expect(ClassFolder.className(of: FilePath(folder)) == name, "\(folder)")
    }
    #expect(ClassFolder.name(of: "cat") == "cat" && ClassFolder.name(of: "50%") == "50%")
  }

  @Test func foldersAreReadBackAsTheirClasses() throws {
    try withTemporaryFolder { folder in
      let root = FilePath(folder.path)
      for name in Self.names {
        let path = root.appending(FilePath(ClassFolder.name(of: name)))
        makeFolder(path)
        makeFile(path.appending(FilePath("1.png")))
      }
      let found = try ImageFolder.list(folder.path).classNames
      #expect(found == Self.names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) })
    }
  }

  @Test func namesThatAreNoUTF8AreFound() throws {
    try withTemporaryFolder { folder in
      let root = FilePath(folder.path)
      let latin = root.appending(FilePath([0x63, 0x61, 0x66, 0xE9]))
      makeFolder(latin)
      makeFolder(root.appending(FilePath("a")))
      makeFile(root.appending(FilePath("a/1.png")))
      let image = latin.appending(FilePath([0xFC, 0x2E, 0x70, 0x6E, 0x67]))
      makeFile(image)
      let listing = try ImageFolder.list(folder.path)
      #expect(listing.classNames == ["a", "caf%E9"])
      #expect(listing.entries.map(\.label) == [0, 1] && listing.entries[1].path == image)
      #expect(image.description.hasSuffix("/caf%E9/%FC.png"))
      let error = #expect(throws: ImageError.self) { try ImageDecoder.decode(contentsOf: image) }
      #expect(error == .unknownFormat(file: "\(image)", found: "an empty file"))
      let list = try ImageListing(list: image.bytes + [0x0A], name: "list")
      #expect(list.classNames == ["caf%E9"] && list.entries[0].path == image)
      // A folder of this very name would be the same class.
      makeFolder(root.appending(FilePath("caf%E9")))
      #expect(throws: ImageError.sameClass(folder: folder.path, name: "caf%E9")) {
        try ImageFolder.list(folder.path)
      }
    }
  }

  /// Names that are one to every comparison of texts, and two to the system.
  @Test func classesAreToldByTheirBytesOrNotAtAll() throws {
    let names = ["caf\u{E9}", "cafez", "cafe\u{301}"]
    try withTemporaryFolder { folder in
      for name in names {
        makeFolder(FilePath(folder.path + "/" + name))
        makeFile(FilePath(folder.path + "/" + name + "/1.png"))
      }
      let error = #expect(throws: ImageError.self) { try ImageFolder.list(folder.path) }
      guard case .sameClass = error else { Issue.record("\(String(describing: error))"); return }
    }
    let lines = names.map { "1.png\t\($0)\n" }.joined()
    #expect(throws: ImageError.self) { try ImageListing(list: lines, name: "list") }
    #expect(
      try ImageListing(list: lines + lines, name: "list", classNames: [names[0], "cafez"]).entries.count == 6)
  }

  // MARK: What cannot be looked at

  @Test func aLinkToNothingIsNotPassedOver() throws {
    try withTemporaryFolder { folder in
      let root = FilePath(folder.path)
      makeFolder(root.appending(FilePath("a")))
      makeFile(root.appending(FilePath("a/1.png")))
      #expect(symlink("nowhere", folder.path + "/b") == 0)
      #expect(throws: ImageError.notFound(file: folder.path + "/b", expected: "a file or a folder")) {
        try ImageFolder.list(folder.path)
      }
      #expect(unlink(folder.path + "/b") == 0)
      #expect(symlink("b", folder.path + "/b") == 0)
      let loop = #expect(throws: ImageError.self) { try ImageFolder.list(folder.path) }
      guard case .unsuitable? = loop else {
        Issue.record("a loop of links: \(String(describing: loop))")
        return
      }
    }
  }

  @Test func pipesAndDevicesAreNoImages() throws {
    try withTemporaryFolder { folder in
      let pipe = folder.path + "/x.png"
      #expect(mkfifo(pipe, 0o600) == 0)
      for path in [pipe, "/dev/zero"] {
        #expect(throws: ImageError.unsuitable(file: path, found: "a pipe or a device")) {
          try ImageDecoder.decode(contentsOf: path)
        }
      }
    }
  }

  @Test func otherFormatsAreCounted() throws {
    try withTemporaryFolder { folder in
      let root = FilePath(folder.path)
      makeFolder(root.appending(FilePath("a")))
      for name in ["1.png", "2.webp", "3.WEBP", "4.gif", "5.txt", "6.tiff", ".7.bmp"] {
        makeFile(root.appending(FilePath("a/" + name)))
      }
      let listing = try ImageFolder.list(folder.path)
      #expect(listing.entries.count == 1 && listing.passedOver == [".webp": 2, ".gif": 1, ".tiff": 1])
      #expect(try ImageFolder.list(folder.path + "/a").passedOver == listing.passedOver)
    }
  }

  // MARK: Lists

  @Test func zerosEndEntriesAsFindWritesThem() throws {
    let list = try ImageListing(list: "x/1.png\0y/a\nb.png\0z/3.png\tdog\0", name: "list")
    #expect(list.entries.map(\.name) == ["x/1.png", "y/a\nb.png", "z/3.png"])
    #expect(list.classNames == ["dog", "x", "y"])
    let one = try ImageListing(list: "x/1.png\0", name: "list")
    #expect(one.entries.count == 1)
  }

  @Test func messagesDoNotListEverything() {
    let known = (0..<10_000).map { "class \($0)" }
    let error = #expect(throws: ImageError.self) {
      try ImageListing(list: "1.png\tnone", name: "list", classNames: known)
    }
    #expect((error?.description.count ?? .max) < 500)
  }
}
