import CArchive
import Datasets
import ForeignFiles
import Foundation
import Images
import StreamFormat
import Testing
import TestSupport

/// Images in archives and arrays are the images of a folder, in the same order and of the same classes.
@Suite struct ArchivedImagesTests {
  enum Form: CaseIterable { case tar, storedZip, deflatedZip }

  private func archive(_ form: Form, _ members: [(String, [UInt8])], name: String = "x/set.tar") throws
    -> MappedFile
  {
    MappedFile(try archiveBytes(form, members), name: name)
  }

  /// Class, name in the archive and bytes of each image.
  private func shown(_ listing: ImageListing, in name: String = "x/set.tar") throws -> [String] {
    try listing.entries.map {
      "\(listing.classNames[$0.label]) \($0.name.dropFirst(name.count + 2)) \(try $0.source.contents())"
    }
  }

  @Test(arguments: Form.allCases) func foldersAreClassesWhateverIsAboveThem(form: Form) throws {
    let members: [(String, [UInt8])] = [
      ("b/2.png", [1]), ("b/10.PNG", [2]), ("a/x/deep.jpg", [3]), ("a/y.jpeg", [4]), ("a/notes.txt", [5]),
      ("Z/1.png", [6]), (".git/no.png", [7]), ("b/.hidden.png", [8]), ("about.json", Array("{}".utf8)),
      ("a/z.webp", [9]), ("__MACOSX/b/._2.png", [10]),
    ]
    let expected = [
      "Z Z/1.png [6]", "a a/x/deep.jpg [3]", "a a/y.jpeg [4]", "b b/10.PNG [2]", "b b/2.png [1]",
    ]
    for prefix in ["", "./", "top/", "./top/images/"] {
      let listing = try ImageListing(archive: archive(form, members.map { (prefix + $0.0, $0.1) }))
      #expect(listing.classNames == ["Z", "a", "b"] && listing.passedOver == [".webp": 1])
      let folder = prefix.replacing("./", with: "")
      #expect(
        try shown(listing)
          == expected.map { $0.prefix(2) + folder + $0.dropFirst(2) }, "\(form) \(prefix)")
    }
  }

  @Test(arguments: Form.allCases) func aFlatArchiveIsOneClass(form: Form) throws {
    let flat = try ImageListing(archive: archive(form, [("2.png", [2]), ("1.png", [1])]))
    #expect(flat.classNames == ["set"])
    #expect(try shown(flat) == ["set 1.png [1]", "set 2.png [2]"])
    let inFolder = try ImageListing(archive: archive(form, [("cats/2.png", [2]), ("cats/1.png", [1])]))
    #expect(inFolder.classNames == ["cats"])
  }

  @Test(arguments: Form.allCases) func labelsOfAWebdatasetComeFirst(form: Form) throws {
    let members: [(String, [UInt8])] = [
      ("n/0002.jpg", [1]), ("n/0002.cls", Array("3\n".utf8)), ("n/0001.seg.png", [2]),
      ("n/0001.json", Array(#"{"caption": "x", "label": 1}"#.utf8)), ("other.json", [0]),
    ]
    let listing = try ImageListing(archive: archive(form, members))
    #expect(listing.classNames == ["0", "1", "2", "3"])
    #expect(try shown(listing) == ["3 n/0002.jpg [1]", "1 n/0001.seg.png [2]"])
    #expect(try ImageListing(archive: archive(form, members), classCount: 1000).classNames.count == 1000)
    #expect(throws: ImageError.self) { try ImageListing(archive: archive(form, members), classCount: 3) }
    // A description without a label, beside a label.
    let described = members.dropLast(3) + [("n/0002.json", Array(#"{"caption": "y"}"#.utf8))]
    #expect(try shown(ImageListing(archive: archive(form, Array(described)))) == ["3 n/0002.jpg [1]"])
  }

  @Test(
    arguments: Form.allCases,
    [
      ([("0.jpg", "x"), ("0.cls", "cat")], "expected the number of a class"),
      ([("0.jpg", "x"), ("0.cls", "-1")], "expected the number of a class"),
      ([("0.jpg", "x"), ("0.json", "{\"label\": 1.5}")], "expected the number of a class"),
      ([("0.jpg", "x"), ("0.cls", "1"), ("1.jpg", "x")], "expected a label beside each image"),
      ([("0.jpg", "x"), ("0.cls", "1"), ("0.json", "{\"label\": 2}")], "expected one label for each image"),
      ([("a/0.jpg", "x"), ("1.jpg", "x")], "found both"), ([("a/0.jpg", "x"), ("a/0.jpg", "y")], "twice"),
      ([("a/b", "x")], "no image found"),
      ([("a/0.png", "x"), ("../b/1.png", "y")], "a path inside the archive"),
      ([("a/1.png", "x"), ("b/", ""), ("c/3.png", "x")], "b: a class folder without an image"),
      ([("top/a/1.png", "x"), ("top/b/", ""), ("top/c/3.png", "x"), ("else/", "")], "top/b: a class folder"),
      ([("a/1.png", "x"), (".b/", ""), ("c/3.png", "x"), ("__MACOSX/", ""), ("a/no/", "")], ""),
      ([("a/1.png", "x"), ("b/notes.txt", "x"), ("c/3.png", "x")], "b: a class folder without an image"),
      ([("a/1.png", "x"), ("b/c/notes.txt", "x")], "b: a class folder without an image"),
      ([("a/1.png", "x"), (".b/notes.txt", "x"), ("notes.txt", "x"), ("a/b/notes.txt", "x")], ""),
      ([("set/a/1.png", "x"), ("set/2.png", "x")], "found both (set/2.png and a/)"),
      ([(String(repeating: "a/", count: 110) + "1.png", "x")], "a path of at most 100 folders"),
      ([("1.png", "x"), ("docs/notes.txt", "x")], "found both"),
      ([("1.png", "x"), ("a/", "")], "found both"),
      ([("caf\u{E9}/1.png", "x"), ("cafe\u{301}/2.png", "x")], "one folder and one spelling of each class"),
      ([("a/1.png", "x"), ("a/\u{301}b.png", "x")], ""),
      ([("%2Ea/1.png", "x"), ("%2Ea /1.png", "x"), ("b%2F/1.png", "x"), ("b%2F/1.png/", "")], ""),
    ] as [([(String, String)], String)])
  func whatCannotBeListedIsRefusedInWords(form: Form, fault: ([(String, String)], String)) throws {
    let members = fault.0.map { ($0.0, Array($0.1.utf8)) }
    do {
      _ = try ImageListing(archive: archive(form, members))
      #expect(fault.1.isEmpty, "\(fault) was accepted")
    } catch {
      #expect(!fault.1.isEmpty && "\(error)".contains(fault.1), "\(error)")
    }
  }

  @Test(arguments: Form.allCases) func aCutArchiveIsRefused(form: Form) throws {
    let whole = try archiveBytes(
      form, (1...20).map { ("a/\($0).png", [UInt8](repeating: UInt8($0), count: 700)) })
    // A tar archive ends in zeros, of which 1024 are enough. Members take three blocks each, and the last one ends in 324
    // zeros itself.
    let end = form == .tar ? 20 * 3 * 512 + 1024 - 324 : whole.count
    for count in stride(from: 0, to: end, by: 97) {
      #expect(throws: ForeignFileError.self, "\(count) of \(whole.count) bytes") {
        try ImageListing(archive: MappedFile(Array(whole.prefix(count)), name: "cut"))
      }
    }
  }

  @Test func aZipMemberOfAnotherChecksumIsRefused() throws {
    var bytes = try archiveBytes(.storedZip, [("a/1.png", [UInt8](repeating: 7, count: 3000))])
    let place = try #require(bytes.firstRange(of: [7, 7, 7, 7])).lowerBound
    bytes[place] = 8
    #expect(throws: ForeignFileError.self) {
      try ImageListing(archive: MappedFile(bytes, name: "flipped"))
    }
  }

  @Test func archivesThatFollowOneAnotherAreOne() throws {
    let both = try archiveBytes(.tar, [("a/1.png", [1])]) + archiveBytes(.tar, [("b/2.png", [2])])
    let listing = try ImageListing(archive: MappedFile(both, name: "x/set.tar"))
    #expect(try shown(listing) == ["a a/1.png [1]", "b b/2.png [2]"])
  }

  /// Zip archives keep their directory at the end, so that the second one's is all that is looked at.
  @Test func zipArchivesThatFollowOneAnotherAreRefused() throws {
    let one = try archiveBytes(.storedZip, [("a/1.png", [1])])
    for both in try [one + one, one + archiveBytes(.deflatedZip, [("b/2.png", [2])])] {
      #expect { try ImageListing(archive: MappedFile(both, name: "both")) } throws: {
        "\($0)".contains("expected one zip archive; found \(one.count) bytes before it")
      }
    }
  }

  /// What stands before or behind a zip archive, and what its second end says, the one for many members and large ones.
  @Test func theEndOfAZipArchiveIsLookedAt() throws {
    let folder = try TemporaryFolder()
    let made = try ToolProcess.shell(
      """
      python3 - <<'END'
      import struct, zipfile
      def make(name, members, comment=b''):
          with zipfile.ZipFile(name, 'w') as archive:
              for member in members:
                  archive.writestr(member, b'x')
              archive.comment = comment
      def lengthened(name):
          # The second end, its place, and the first one without numbers, as of an archive of many members.
          plain = open(name, 'rb').read()
          count, size, offset = struct.unpack('<HII', plain[-12:-2])
          second = struct.pack('<IQHHIIQQQQ', 0x06064b50, 44, 45, 45, 0, 0, count, count, size, offset)
          place = struct.pack('<IIQI', 0x07064b50, 0, len(plain) - 22, 1)
          end = struct.pack('<IHHHHIIH', 0x06054b50, 0, 0, 0xffff, 0xffff, 0xffffffff, 0xffffffff, 0)
          return plain[:-22] + second + place + end
      make('a.zip', ['a/1.png'])
      make('b.zip', ['b/2.png', 'c/3.png'])
      make('comment.zip', ['a/1.png'], b'c' * 1000)
      make('long.zip', ['a/1.png'], b'c' * 65535)
      make('longest.zip', ['a/1.png'], b'c' * 16361)
      make('longer.zip', ['a/1.png'], b'c' * 16362)
      a, b = (open(name, 'rb').read() for name in ('a.zip', 'b.zip'))
      longA, longB = lengthened('a.zip'), lengthened('b.zip')
      for name, content in {
              'second.zip': longB, 'behind.zip': a + b'\\n', 'joined-behind.zip': a + b + b'\\n',
              'joined.zip': longA + longB, 'twice.zip': longA + longA, 'mixed.zip': a + longB, 'other.zip': longA + b,
              'no-place.zip': longB.replace(struct.pack('<Q', len(b) - 22), struct.pack('<Q', 7)),
      }.items():
          open(name, 'wb').write(content)
      END
      """, in: folder.url)
    #expect(made.status == 0, "\(made.errors)")
    let cases: [(name: String, fault: String?)] = [
      ("second", nil), ("comment", nil), ("behind", "another end of the file"),
      ("joined-behind", "another end of the file"), ("joined", "bytes before it"),
      ("twice", "bytes before it"),
      ("mixed", "bytes before it"), ("other", "bytes before it"), ("no-place", "bytes before it"),
      ("longest", nil), ("longer", "whose comment has at most 16361 bytes; found 16362"),
      ("long", "whose comment has at most 16361 bytes; found 65535"),
    ]
    for (name, fault) in cases {
      let bytes = [UInt8](try Data(contentsOf: folder.url.appending(path: "\(name).zip")))
      if let fault {
        #expect("\(name)") { try ImageListing(archive: MappedFile(bytes, name: name)) } throws: {
          "\($0)".contains(fault)
        }
      } else {
        #expect(try !ImageListing(archive: MappedFile(bytes, name: name)).entries.isEmpty, "\(name)")
      }
    }
  }

  /// An archive has names in which a letter and its accent are one character. As two, the class would stand elsewhere by its bytes.
  @Test func accentsDoNotChangeTheOrder() throws {
    let folder = try TemporaryFolder()
    let made = try ToolProcess.shell(
      """
      python3 - <<'END'
      import os, tarfile, zipfile
      for name in ('f/1.png', 'e\\u0301/z.png', 'e\\u0301/e\\u0301.png', 'g/2.png'):
          path = 'set/' + name
          os.makedirs(os.path.dirname(path), exist_ok=True)
          open(path, 'w').write(name[0] + name[-5])
      with tarfile.open('set.tar', 'w', format=tarfile.PAX_FORMAT) as archive:
          archive.add('set')
      with zipfile.ZipFile('set.zip', 'w') as archive:
          for path, _, names in os.walk('set'):
              for name in names:
                  archive.write(os.path.join(path, name))
      END
      """, in: folder.url)
    #expect(made.status == 0, "\(made.errors)")
    let plain = try ImageFolder.list(folder.path("set"))
    #expect(plain.classNames == ["f", "g", "\u{E9}"])
    let texts = try plain.entries.map { String(decoding: try $0.source.contents(), as: UTF8.self) }
    #expect(texts == ["f1", "g2", "ez", "e\u{301}"])
    for name in ["set.tar", "set.zip"] {
      let bytes = [UInt8](try Data(contentsOf: folder.url.appending(path: name)))
      let listing = try ImageListing(archive: MappedFile(bytes, name: name))
      #expect(listing.classNames == plain.classNames)
      #expect(try listing.entries.map { String(decoding: try $0.source.contents(), as: UTF8.self) } == texts)
    }
  }

  /// Some programs write folders without a '/' at their ends.
  @Test func aFolderIsOneBySortToo() throws {
    let folder = try TemporaryFolder()
    let made = try ToolProcess.shell(
      """
      python3 - <<'END'
      import io, tarfile
      with tarfile.open('set.tar', 'w') as archive:
          for name in ('a/1.png', 'b', 'c/2.png'):
              member = tarfile.TarInfo(name)
              member.size, member.type = len(name) // 2 % 2, tarfile.DIRTYPE if name == 'b' else tarfile.REGTYPE
              archive.addfile(member, io.BytesIO(b'x'))
      # tarfile itself adds the '/'.
      content = bytearray(open('set.tar', 'rb').read())
      place = content.index(b'b/\\0')
      content[place + 1] = 0
      header = content[place:place + 512]
      header[148:156] = b' ' * 8
      content[place + 148:place + 156] = b'%06o\\0 ' % sum(header)
      open('set.tar', 'wb').write(content)
      END
      """, in: folder.url)
    #expect(made.status == 0, "\(made.errors)")
    let bytes = [UInt8](try Data(contentsOf: folder.url.appending(path: "set.tar")))
    #expect { try ImageListing(archive: MappedFile(bytes, name: "set.tar")) } throws: {
      "\($0)".contains("b: a class folder without an image")
    }
  }

  /// Zip says of a name beyond ASCII that it is UTF-8, and pax has all names so.
  @Test func namesBeyondASCIIAreRead() throws {
    let folder = try TemporaryFolder()
    let made = try ToolProcess.shell(
      """
      python3 - <<'END'
      import io, tarfile, zipfile
      with zipfile.ZipFile('names.zip', 'w') as archive:
          for name in ('caf\\u00e9/1.png', 'tea/\\u732b.png'):
              archive.writestr(name, b'x')
      with tarfile.open('names.tar', 'w', format=tarfile.PAX_FORMAT) as archive:
          for name in ('caf\\u00e9/1.png', 'tea/\\u732b.png'):
              member = tarfile.TarInfo(name)
              member.size = 1
              archive.addfile(member, io.BytesIO(b'x'))
      with tarfile.open('latin.tar', 'w', format=tarfile.USTAR_FORMAT, encoding='latin-1') as archive:
          archive.addfile(tarfile.TarInfo('caf\\u00e9/1.png'))
      END
      """, in: folder.url)
    #expect(made.status == 0, "\(made.errors)")
    func file(_ name: String) throws -> MappedFile {
      MappedFile([UInt8](try Data(contentsOf: folder.url.appending(path: name))), name: "x/set.tar")
    }
    for name in ["names.zip", "names.tar"] {
      #expect(
        try shown(ImageListing(archive: file(name))) == [
          "caf\u{E9} caf\u{E9}/1.png [120]", "tea tea/\u{732B}.png [120]",
        ], "\(name)")
    }
    #expect { try ImageListing(archive: file("latin.tar")) } throws: {
      "\($0)".contains("expected names of members in UTF-8")
    }
  }

  @Test func hardLinksAreImagesAndOtherLinksAreSaid() throws {
    let folder = try TemporaryFolder()
    let made = try ToolProcess.shell(
      "mkdir -p s/a s/b && printf x > s/a/1.png && ln s/a/1.png s/b/2.png && tar -C s -cf hard.tar ./a ./b && "
        + "ln -sf ../a/1.png s/b/3.png && tar -C s -cf soft.tar ./a ./b", in: folder.url)
    #expect(made.status == 0, "\(made.errors)")
    func file(_ name: String) throws -> MappedFile {
      MappedFile([UInt8](try Data(contentsOf: folder.url.appending(path: name))), name: "x/set.tar")
    }
    #expect(try shown(ImageListing(archive: file("hard.tar"))) == ["a a/1.png [120]", "b b/2.png [120]"])
    #expect { try ImageListing(archive: file("soft.tar")) } throws: { "\($0)".contains("a symbolic link") }
    // A link may stand for a class. One to a file does not.
    let more = try ToolProcess.shell(
      "rm s/b/3.png && ln -s a s/c && tar -C s -cf class.tar ./a ./b ./c && rm s/c && : > s/a/notes "
        + "&& ln -s a/notes s/c && tar -C s -cf notes.tar ./a ./b ./c", in: folder.url)
    #expect(more.status == 0, "\(more.errors)")
    #expect { try ImageListing(archive: file("class.tar")) } throws: {
      "\($0)".contains("a symbolic link to 'a'")
    }
    #expect(try ImageListing(archive: file("notes.tar")).classNames == ["a", "b"])
    // A link to itself, or to another link, is none to a file.
    let loops = try ToolProcess.shell(
      "rm s/c && ln -s c s/c && tar -C s -cf loop.tar ./a ./b ./c && ln -sf d s/c && ln -s c s/d "
        + "&& tar -C s -cf loops.tar ./a ./b ./c ./d", in: folder.url)
    #expect(loops.status == 0, "\(loops.errors)")
    for name in ["loop.tar", "loops.tar"] {
      #expect { try ImageListing(archive: file(name)) } throws: { "\($0)".contains("a symbolic link to") }
    }
  }

  /// Archives without members: of zip's 22 bytes, and of tar's blocks of zeros.
  @Test func anEmptyArchiveHasNoImages() throws {
    for bytes in [
      [0x50, 0x4B, 5, 6] + [UInt8](repeating: 0, count: 18), [UInt8](repeating: 0, count: 10_240),
    ] {
      #expect(throws: ImageError.noImages(folder: "x")) {
        try ImageListing(archive: MappedFile(bytes, name: "x"))
      }
    }
  }
}

/// An archive by libarchive.
private func archiveBytes(_ form: ArchivedImagesTests.Form, _ members: [(String, [UInt8])]) throws -> [UInt8]
{
  let folder = try TemporaryFolder()
  let archive = try #require(archive_write_new())
  defer { archive_write_free(archive) }
  switch form {
  case .tar: archive_write_set_format_ustar(archive)
  case .storedZip:
    archive_write_set_format_zip(archive)
    archive_write_zip_set_compression_store(archive)
  case .deflatedZip:
    archive_write_set_format_zip(archive)
    archive_write_zip_set_compression_deflate(archive)
  }
  try #require(archive_write_open_filename(archive, folder.path("a")) == ARCHIVE_OK)
  for (name, bytes) in members {
    let entry = try #require(archive_entry_new())
    defer { archive_entry_free(entry) }
    archive_entry_set_pathname(entry, name)
    archive_entry_set_filetype(entry, name.hasSuffix("/") ? S_IFDIR : S_IFREG)
    archive_entry_set_perm(entry, 0o644)
    archive_entry_set_size(entry, la_int64_t(bytes.count))
    try #require(archive_write_header(archive, entry) == ARCHIVE_OK)
    try #require(archive_write_data(archive, bytes, bytes.count) == bytes.count)
  }
  try #require(archive_write_close(archive) == ARCHIVE_OK)
  return [UInt8](try Data(contentsOf: URL(filePath: folder.path("a"))))
}
