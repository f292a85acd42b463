import ArgumentParser
import Foundation
import StreamFormat
import Testing
import TestSupport
@testable import ToolRuntime

/// Nothing is written that the run reads, or writes under another name.
@Suite struct ClaimedFileTests {
  private let folder = try! TemporaryFolder()

  private struct Group: ParsableArguments {
    @Option var coarseOutput: OutputPath?
    @Option var checkpoint: CheckpointPath?
  }

  private struct Command: ParsableCommand {
    @Argument var tokens: InputPath
    @Option(name: .shortAndLong) var output = OutputPath.standardOutput
    @Option var model: [InputPath] = []
    @Option var folder: OutputFolder?
    @OptionGroup var group: Group
    @OptionGroup var common: CommonOptions
  }

  private func claims(_ words: String...) throws -> FileClaims {
    let claims = FileClaims()
    for file in ClaimedFile.all(in: try Command.parse(words)) { try claims.add(file) }
    return claims
  }

  private func make(_ name: String, _ text: String = "x") -> String {
    FileManager.default.createFile(atPath: folder.path(name), contents: Data(text.utf8))
    return folder.path(name)
  }

  @Test func everyFileOfACommandLineIsFound() throws {
    let words = [
      "t", "-o", "o", "--model", "a", "--model", "b", "--folder", "f/", "--coarse-output", "c",
      "--checkpoint", "k",
      "--log", "l",
    ]
    let files = ClaimedFile.all(in: try Command.parse(words))
    #expect(
      files.map { "\($0.name) \($0.path) \($0.role)" } == [
        "tokens t input", "--output o output", "--model a input", "--model b input", "--folder f folder",
        "--coarse-output c output", "--checkpoint k checkpoint", "--log l log",
      ])
  }

  @Test func oneFileHasOnePurpose() throws {
    let input = make("input")
    let output = folder.path("new")
    for options in [
      [input, "-o", input], [input, "-o", output, "--log", output],
      [input, "-o", output, "--checkpoint", output],
      [input, "-o", output, "--checkpoint", input], [input, "-o", output, "--coarse-output", output],
      [input, "-o", folder.path("./new"), "--log", output],
      [folder.url.path, "--folder", folder.url.path + "/"],
    ] {
      let error = try #require(throws: ToolError.self, "\(options)") {
        let claims = FileClaims()
        for file in ClaimedFile.all(in: try Command.parse(options)) { try claims.add(file) }
      }
      #expect(error.exitCode == .usage && error.description.contains("found one file"), "\(error)")
    }
    _ = try claims(input, "--model", input, "-o", output)
    _ = try claims(input, "-o", "/dev/null", "--coarse-output", "/dev/null")
    _ = try claims("-", "-o", "-", "--model", input)
  }

  @Test func linksAreSeenThrough() throws {
    let input = make("input")
    link(input, folder.path("hard"))
    symlink("input", folder.path("soft"))
    symlink("new", folder.path("dangling"))
    for options in [
      [input, "-o", folder.path("hard")], [input, "-o", folder.path("soft")],
      [folder.path("soft"), "-o", input, "--log", folder.path("l")],
      [input, "-o", folder.path("dangling"), "--checkpoint", folder.path("new")],
    ] {
      #expect(throws: ToolError.self, "\(options)") {
        let claims = FileClaims()
        for file in ClaimedFile.all(in: try Command.parse(options)) { try claims.add(file) }
      }
    }
  }

  @Test func checkpointsAndLogsAreFilesOfTheirOwn() throws {
    mkfifo(folder.path("fifo"), 0o600)
    let picture = make("picture", "\u{89}PNG")
    for (option, path) in [
      ("--checkpoint", "/dev/null"), ("--checkpoint", folder.path("fifo")), ("--checkpoint", folder.url.path),
      ("--log", "/dev/null"), ("--log", folder.path("fifo")), ("--log", folder.url.path), ("--log", picture),
      ("--folder", picture),
    ] {
      let error = try #require(throws: (any Error).self, "\(option) \(path)") {
        try claims("t", option, path)
      }
      #expect(ToolExit(for: error) == .cannotCreate, "\(error)")
    }
    _ = try claims("t", "--log", make("log", #"{"step":1}"#))
    _ = try claims("t", "--log", make("empty", ""))
    _ = try claims("t", "-o", folder.path("fifo"))
  }

  @Test func filesThatAreReadWithoutBeingNamedAreSafe() throws {
    let (image, output) = (make("image"), make("output"))
    let claims = try claims("t", "-o", output)
    try claims.requireNoOutput(among: [image, folder.path("gone")])
    let error = try #require(throws: ToolError.self) { try claims.requireNoOutput(among: [image, output]) }
    #expect(error.exitCode == .usage)
  }

  // MARK: Outputs together

  @Test func outputsTakeTheirPlacesTogether() throws {
    let (first, second) = (make("first", "old"), make("second", "old"))
    func session() throws -> ToolSession {
      ToolSession(name: "test", arguments: [], options: try CommonOptions.parse([]))
    }
    func failAtTheSecond() throws {
      let session = try session()
      let one = try session.create(try #require(OutputPath(argument: first)))
      try one.write(text: "new")
      try one.commit()
      _ = try session.create(try #require(OutputPath(argument: folder.path("no/where"))))
    }
    #expect(throws: StreamError.self) { try failAtTheSecond() }
    #expect(folder.names == ["first", "second"])
    #expect(try String(contentsOfFile: first, encoding: .utf8) == "old")
    let session = try session()
    for path in [first, second] {
      let output = try session.create(try #require(OutputPath(argument: path)))
      try output.write(text: "new")
      try output.commit()
      #expect(try String(contentsOfFile: path, encoding: .utf8) == "old")
    }
    try session.commitOutputs()
    #expect(try [first, second].map { try String(contentsOfFile: $0, encoding: .utf8) } == ["new", "new"])
  }

  // MARK: Files of one's own

  @Test func anotherRunsCheckpointIsNeitherReplacedNorRemoved() throws {
    let path = make("checkpoint", "hours of work")
    let session = ToolSession(name: "test", arguments: [], options: try CommonOptions.parse([]))
    let file = try OwnedFile(path: path, session: session)
    let error = try #require(throws: ToolError.self) { try file.requireReplaceable() }
    #expect(error.exitCode == .cannotCreate && error.description.contains("--resume"))
    #expect(throws: ToolError.self) { try file.replace { try $0.write(text: "mine") } }
    file.remove()
    #expect(try String(contentsOfFile: path, encoding: .utf8) == "hours of work")
    // What this run goes on from is its own.
    _ = try file.open()
    try file.replace { try $0.write(text: "mine") }
    try file.replace { try $0.write(text: "mine again") }
    #expect(try String(contentsOfFile: path, encoding: .utf8) == "mine again")
    // Another run has put its own in the place.
    try Data("other".utf8).write(to: URL(filePath: path), options: .atomic)
    #expect(throws: ToolError.self) { try file.replace { try $0.write(text: "mine") } }
    file.remove()
    #expect(try String(contentsOfFile: path, encoding: .utf8) == "other")
  }

  @Test func aCheckpointBehindALinkIsRemovedAndTheLinkStays() throws {
    symlink("real", folder.path("link"))
    let session = ToolSession(name: "test", arguments: [], options: try CommonOptions.parse([]))
    let file = try OwnedFile(path: folder.path("link"), session: session)
    try file.replace { try $0.write(text: "mine") }
    #expect(folder.names == ["link", "real"])
    file.remove()
    #expect(folder.names == ["link"])
  }

  // MARK: What killed runs left

  @Test func leftoversOfKilledRunsAreRemoved() throws {
    // No process has this number, which is above the largest.
    let gone = make("out.partial-99999999")
    try FileManager.default.createDirectory(
      atPath: folder.path("out.partial-99999998/a"), withIntermediateDirectories: true)
    let others = [make("out.partial-1"), make("out.partial-x"), make("other.partial-99999999")]
    let output = try AtomicOutput(path: folder.path("out"))
    #expect(!FileManager.default.fileExists(atPath: gone))
    #expect(!FileManager.default.fileExists(atPath: folder.path("out.partial-99999998")))
    for path in others { #expect(FileManager.default.fileExists(atPath: path), "\(path)") }
    // In another container this process may be gone; its lock says that it is not.
    let partial = "\(folder.path("out")).partial-\(getpid())"
    PartialFile.removeLeftovers(of: folder.path("out"))
    #expect(FileManager.default.fileExists(atPath: partial))
    try output.commit()
    #expect(FileManager.default.fileExists(atPath: folder.path("out")))
  }

  @Test func aFolderAppearsWholeOrNotAtAll() throws {
    let session = ToolSession(name: "test", arguments: [], options: try CommonOptions.parse([]))
    let path = try #require(OutputFolder(argument: folder.path("pictures") + "//"))
    let pictures = try session.create(path)
    try pictures.write([1], subfolder: "a", file: "0.png")
    try pictures.write([2], subfolder: "a", file: "1.png")
    #expect(folder.names == ["pictures.partial-\(getpid())"])
    try pictures.commit()
    try session.commitOutputs()
    #expect(folder.names == ["pictures"])
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: folder.path("pictures/a")).sorted() == [
        "0.png", "1.png",
      ])
    #expect(throws: ToolError.self) { try session.create(path) }
  }
}
