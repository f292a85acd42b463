import Testing
@testable import Images

/// Tables of comma-separated values as lists of images.
@Suite struct TableTests {
  private func list(_ text: String, classes: Int? = nil) throws -> ImageListing {
    try ImageListing(csv: Array(text.utf8), name: "t.csv", folder: FilePath("f"), classCount: classes)
  }

  @Test(arguments: [
    "a.png,cat\nb/c.jpg,dog\n", "path,label\na.png,cat\nb/c.jpg,dog",
    "\u{FEFF}file,class,more\r\na.png,cat,1\r\n\r\nb/c.jpg,dog,2\r\n",
    "\"a.png\",\"cat\"\n\"b/c.jpg\",dog\n",
  ]) func rowsAreImages(text: String) throws {
    let listing = try list(text)
    #expect(listing.classNames == ["cat", "dog"])
    #expect(listing.entries == [.init(path: "f/a.png", label: 0), .init(path: "f/b/c.jpg", label: 1)])
  }

  @Test func quotesHoldCommasQuotesAndLines() throws {
    let listing = try list("\"/x/a,\"\"b\"\"\n.png\",\"c,d\"\n")
    #expect(listing.classNames == ["c,d"] && listing.entries[0].name == "/x/a,\"b\"\n.png")
  }

  @Test func numbersAreLabels() throws {
    let listing = try list("a.png,10\nb.png,2\n")
    #expect(listing.classNames.count == 11 && listing.entries.map(\.label) == [10, 2])
    #expect(try list("a.png,10\n", classes: 1000).classNames.count == 1000)
    #expect(throws: ImageError.self) { try list("a.png,10\n", classes: 10) }
    // Where one is no number, all are names.
    #expect(try list("a.png,10\nb.png,x\n").classNames == ["10", "x"])
    #expect(try list("a.png,-1\nb.png,-\n").classNames == ["-", "-1"])
  }

  @Test(arguments: [
    ("a.png\n", "line 1"), ("a.png,x\nb.png,\n", "line 2"), ("a.png,x\n\n,y\n", "line 3"),
    ("\"a.png,x\n", "line 1"),
    ("a.png,\"x\"y\n", "line 1"),
    ("a.png,cat\nb.png, cat\n", "line 2: expected 'path,class', found 'a blank at an end of ' cat''"),
    ("path,label\n", "line 1: expected 'path,class', found 'no row with an image'"), ("\n", "line 1"),
    (",x\na.png,y\n", "line 1"),
    ("a.pgn\nb.png,y\n", "line 1"),
    ("a.png,3\nb.png,-1\n", "line 2: expected a label from 0 to 65535, as in"),
    ("a.png,3\nb.png,65536\n", "found '65536'"),
    ("path,label\na.png, 3\nb.png,4\n", "line 2: expected 'path,class', found 'a blank"),
    ("a.png,99999999999999999999\n", "line 1: expected a label"),
    ("a.png,0.0\nb.png,1.0\n", "line 1: expected a label"),
    ("a.png,0\nb.png,nan\n", "line 2: expected a label"),
    ("a.png,x\rb.png,y\r", "line 1: expected 'path,class', found 'a carriage"),
    ("a.png,caf\u{E9}\nb.png,cafe\u{301}\n", "one spelling of each class"), ("", "no row with an image"),
  ]) func otherRowsAreRefused(text: String, words: String) {
    do {
      _ = try list(text)
      Issue.record("accepted")
    } catch {
      #expect("\(error)".contains(words), "\(error)")
    }
  }

  /// A first row that may be an image is one.
  @Test(arguments: ["img0,0\nimg1,1\n", "a/1.pgn,x\nb.png,y\n", " a.png ,x\nb.png,y\n", "./a,x\nb.png,y\n"])
  func nothingIsPassedOverInSilence(text: String) throws {
    #expect(try list(text).entries.count == 2)
  }
}
