import ArgumentParser
import Foundation
import StreamFormat
import Testing
import TestSupport
@testable import ToolRuntime

@Suite struct SessionTests {
  private let folder = try! TemporaryFolder()

  @Test func logsAreOneObjectALineWithSortedKeys() throws {
    let log = try JSONLog(path: folder.path("log"))
    try log.write(["step": 1, "loss": 0.5, "at": "start"])
    // Before the log is closed: each line is in the file at once.
    #expect(try text("log") == #"{"at":"start","loss":0.5,"step":1}"# + "\n")
    try log.write(["loss": .number(.nan), "list": [1, nil, true, ["a": 2.5]]])
    #expect(try text("log").split(separator: "\n")[1] == #"{"list":[1,null,true,{"a":2.5}],"loss":"nan"}"#)
    try JSONLog(path: folder.path("log"), appending: true).write([:])
    #expect(try text("log").split(separator: "\n").count == 3)
    _ = try JSONLog(path: folder.path("log"))
    #expect(try text("log") == "")
  }

  @Test func aRunStartsItsLogAnewUnlessItResumes() throws {
    let options = try CommonOptions.parse(["--log", folder.path("log")])
    for _ in 0..<2 {
      let session = ToolSession(name: "test", arguments: [], options: options)
      try session.log(["step": 1])
      try session.log(["step": 2])
    }
    let resumed = ToolSession(name: "test", arguments: [], options: options)
    resumed.continueLog()
    try resumed.report(["loss": 0.5])
    let lines = try text("log").split(separator: "\n")
    #expect(lines.prefix(2) == [#"{"step":1}"#, #"{"step":2}"#] && lines.count == 3)
    #expect(lines[2].hasPrefix(#"{"elapsed_seconds":"#) && lines[2].hasSuffix(#","summary":{"loss":0.5}}"#))
    let plain = ToolSession(name: "test", arguments: [], options: try CommonOptions.parse([]))
    try plain.log(["step": 3])
    #expect(folder.names == ["log"])
  }

  private func text(_ name: String) throws -> String {
    try String(contentsOfFile: folder.path(name), encoding: .utf8)
  }

  @Test func aLogThatCannotBeCreatedIsSaid() throws {
    let error = try #require(throws: StreamError.self) { try JSONLog(path: folder.path("no/log")) }
    #expect(error.exitCode == .cannotCreate)
    let full = try JSONLog(path: "/dev/full")
    #expect(try #require(throws: StreamError.self) { try full.write([:]) }.exitCode == .ioError)
  }

  @Test(arguments: [
    ["--threads", "0"], ["--threads", "1025"], ["--threads", "two"], ["--seed", "-1"], ["--log", "-"],
    ["--unknown"], ["surplus"],
  ])
  func badOptionsAreMistakesOfUsage(arguments: [String]) throws {
    let error = try #require(throws: (any Error).self) { try CommonOptions.parse(arguments) }
    #expect(CommonOptions.exitCode(for: error).rawValue == 64)
  }

  @Test func optionsReachTheSession() throws {
    let options = try CommonOptions.parse(["--seed", "18446744073709551615", "--threads", "3"])
    let session = ToolSession(name: "test", arguments: [], options: options)
    #expect(session.seed == .max && session.threads == 3)
    let plain = ToolSession(name: "test", arguments: [], options: try CommonOptions.parse([]))
    #expect(plain.seed == 0 && plain.threads == ThreadCount.available())
  }

  @Test func standardStreamsAreGivenOnce() throws {
    let dash = InputPath(argument: "-")
    let file = InputPath(argument: "a")
    #expect(throws: ValidationError.self) { try InputPath.requireDistinct(dash, file, dash) }
    try InputPath.requireDistinct(dash, file, nil)
    let json = try CommonOptions.parse(["--json"])
    #expect(throws: ValidationError.self) { try json.requireFreeStandardOutput(besides: .standardOutput) }
    try json.requireFreeStandardOutput(besides: OutputPath(argument: "a"), nil)
    let plain = try CommonOptions.parse([])
    try plain.requireFreeStandardOutput(besides: .standardOutput)
    #expect(throws: ValidationError.self) {
      try plain.requireFreeStandardOutput(besides: .standardOutput, .standardOutput)
    }
    #expect(InputPath(argument: "") == nil && OutputPath(argument: "") == nil)
  }

  @Test func everyErrorHasItsStatus() throws {
    let cases: [(Error, Int32)] = [
      (FormatError(.gap, at: .memory, expected: "", found: "", hint: ""), 65),
      (StreamError.notFound(file: "a"), 66), (StreamError.isDirectory(file: "a"), 66),
      (StreamError.cannotOpen(file: "a", errno: EACCES), 66),
      (StreamError.cannotCreate(file: "a", errno: EACCES), 73),
      (StreamError.readFailed(file: "a", errno: EIO), 74),
      (StreamError.writeFailed(file: "a", errno: ENOSPC), 74),
      (StreamError.closedPipe(file: "-"), 141),
      (ToolError(.usage, "x", expected: "a", found: "b", try: "c"), 64), (ValidationError("x"), 64),
      (Interruption.Raised(signal: SIGINT), 130), (Interruption.Raised(signal: SIGTERM), 143),
      (ExitCode(9), 9),
      (CocoaError(.fileNoSuchFile), 1),
    ]
    for (error, status) in cases { #expect(ToolExit(for: error).rawValue == status, "\(error)") }
  }

  @Test func inputsThatAreNotThereAreSaid() throws {
    let session = ToolSession(name: "test", arguments: [], options: try CommonOptions.parse([]))
    let missing = try #require(InputPath(argument: folder.path("none")))
    #expect(throws: StreamError.notFound(file: missing.path)) { try session.open(missing) }
    let directory = try #require(InputPath(argument: folder.url.path))
    #expect(throws: StreamError.isDirectory(file: directory.path)) { try session.open(directory) }
  }
}
