import Foundation
import StreamFormat
import Testing
import TestSupport
@testable import ToolRuntime

@Suite struct AtomicOutputTests {
  private let folder = try! TemporaryFolder()

  private func content(_ name: String) -> String? {
    try? String(contentsOfFile: folder.path(name), encoding: .utf8)
  }

  @Test func theTargetAppearsOnCommit() throws {
    let output = try AtomicOutput(path: folder.path("a"))
    try output.write(text: "one")
    #expect(content("a") == nil)
    try output.commit()
    #expect(content("a") == "one")
    #expect(folder.names == ["a"])
  }

  @Test func anExistingTargetIsReplacedOnCommitAndKeepsItsMode() throws {
    try "old".write(toFile: folder.path("a"), atomically: false, encoding: .utf8)
    chmod(folder.path("a"), 0o640)
    let output = try AtomicOutput(path: folder.path("a"))
    try output.write(text: "new")
    #expect(content("a") == "old")
    try output.commit()
    #expect(content("a") == "new")
    var status = stat()
    stat(folder.path("a"), &status)
    #expect(status.st_mode & 0o777 == 0o640)
  }

  @Test func aFailedRunLeavesTheTargetAsItWas() throws {
    try "old".write(toFile: folder.path("a"), atomically: false, encoding: .utf8)
    try AtomicOutput(path: folder.path("a")).write(text: "half")
    #expect(content("a") == "old")
    #expect(folder.names == ["a"])
    try AtomicOutput(path: folder.path("b")).write(text: "half")
    #expect(folder.names == ["a"])
  }

  @Test func aSymbolicLinkStaysALink() throws {
    try FileManager.default.createSymbolicLink(atPath: folder.path("link"), withDestinationPath: "second")
    try FileManager.default.createSymbolicLink(
      atPath: folder.path("second"), withDestinationPath: folder.path("file"))
    let output = try AtomicOutput(path: folder.path("link"))
    try output.write(text: "x")
    try output.commit()
    #expect(try FileManager.default.destinationOfSymbolicLink(atPath: folder.path("link")) == "second")
    #expect(content("file") == "x")
    #expect(folder.names == ["file", "link", "second"])
  }

  @Test func aLoopOfLinksIsRefused() throws {
    try FileManager.default.createSymbolicLink(atPath: folder.path("a"), withDestinationPath: "b")
    try FileManager.default.createSymbolicLink(atPath: folder.path("b"), withDestinationPath: "a")
    let error = try #require(throws: StreamError.self) { try AtomicOutput(path: folder.path("a")) }
    #expect(error.exitCode == .cannotCreate)
  }

  @Test func devicesAreWrittenDirectly() throws {
    let output = try AtomicOutput(path: "/dev/null")
    try output.write(text: "x")
    try output.commit()
    let full = try AtomicOutput(path: "/dev/full")
    let error = try #require(throws: StreamError.self) { try full.write(text: "x") }
    #expect(error == .writeFailed(file: "/dev/full", errno: ENOSPC))
    #expect(error.exitCode == .ioError)
  }

  // A folder without write permission stops everybody but root; /proc stops root too.
  @Test(arguments: ["/proc/a.tokens.zst", "/nowhere/at/all/a.tokens.zst", "/dev"])
  func whatCannotBeCreatedIsSaidAtOnce(path: String) throws {
    let error = try #require(throws: StreamError.self) { try AtomicOutput(path: path) }
    #expect(error.exitCode == .cannotCreate)
    #expect(error.description.hasPrefix("\(path): cannot create: "))
  }

  @Test func aWriteProtectedTargetNeedsForce() throws {
    try "old".write(toFile: folder.path("a"), atomically: false, encoding: .utf8)
    chmod(folder.path("a"), 0o444)
    let error = try #require(throws: ToolError.self) { try AtomicOutput(path: folder.path("a")) }
    #expect(error.exitCode == .cannotCreate)
    let forced = try AtomicOutput(path: folder.path("a"), force: true)
    try forced.write(text: "new")
    try forced.commit()
    #expect(content("a") == "new")
  }

  @Test func aKilledRunLeavesTheTargetAsItWas() async throws {
    let path = folder.path("a")
    try "old".write(toFile: path, atomically: false, encoding: .utf8)
    await #expect(processExitsWith: .signal(SIGKILL)) { [path = path as String] in
      let output = try AtomicOutput(path: path)
      try output.write(text: "half")
      kill(getpid(), SIGKILL)
      sleep(10)
      try output.commit()
    }
    #expect(content("a") == "old")
  }
}
