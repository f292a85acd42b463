import Foundation
import StreamFormat
import Synchronization
import Testing
import TestSupport
@testable import ToolRuntime

@Suite struct InterruptionTests {
  private let folder = try! TemporaryFolder()

  @Test(arguments: [SIGINT, SIGTERM])
  func aSignalEndsTheProcessAndRemovesTemporaries(signal: Int32) async throws {
    let path = folder.path("a")
    await #expect(processExitsWith: .signal(signal)) { [path = path as String, signal = signal as Int32] in
      let interruption = Interruption()
      try interruption.install(.end)
      let options = try CommonOptions.parse([])
      let session = ToolSession(name: "test", arguments: [], options: options, interruption: interruption)
      let output = try session.create(OutputPath(argument: path)!)
      try output.write(text: "half")
      kill(getpid(), signal)
      sleep(10)
      try output.commit()
    }
    #expect(folder.names == [])
  }

  /// A mapped input that another program cuts while it is read.
  @Test func aCutInputIsAnInputThatCannotBeRead() async throws {
    let (input, output) = (folder.path("input"), folder.path("output"))
    try Data(count: 1 << 16).write(to: URL(filePath: input))
    let result = try await #require(processExitsWith: .exitCode(74), observing: [\.standardErrorContent]) {
      [input = input as String, output = output as String] in
      let interruption = Interruption(tool: "test")
      try interruption.install(.end)
      let options = try CommonOptions.parse([])
      let session = ToolSession(name: "test", arguments: [], options: options, interruption: interruption)
      let half = try session.create(OutputPath(argument: output)!)
      try half.write(text: "half")
      let mapped = try MappedFile(FileSource(path: input))
      truncate(input, 0)
      exit(Int32(mapped.bytes.last!))
    }
    #expect(folder.names == ["input"])
    #expect(
      String(decoding: result.standardErrorContent, as: UTF8.self).contains(
        "test: an input: expected it to be"))
  }

  @Test func aToolThatSavesSeesTheFlag() async {
    await #expect(processExitsWith: .exitCode(143)) {
      let interruption = Interruption()
      try interruption.install(.raiseFlag)
      guard !interruption.isRaised else { return }
      kill(getpid(), SIGTERM)
      for _ in 0..<1000 where !interruption.isRaised { usleep(10_000) }
      do { try interruption.check() } catch { exit(ToolExit(for: error).rawValue) }
    }
  }

  @Test func aSecondSignalEndsEvenAToolThatSaves() async {
    await #expect(processExitsWith: .signal(SIGINT)) {
      // A clock by which a second passes from each signal to the next.
      let ticks = Mutex(ContinuousClock.now)
      let interruption = Interruption(now: {
        ticks.withLock {
          $0 += .seconds(1)
          return $0
        }
      })
      try interruption.install(.raiseFlag)
      for _ in 0..<2 {
        kill(getpid(), SIGINT)
        // A second signal that comes while the first is pending would count as one with it.
        for _ in 0..<1000 where !interruption.isRaised { usleep(10_000) }
      }
      sleep(10)
    }
  }

  /// One wish, told twice: as by `timeout`, which sends a signal to its child and then to the group.
  @Test func anEchoOfTheFirstSignalIsNoSecondOne() async {
    await #expect(processExitsWith: .exitCode(130)) {
      let time = ContinuousClock.now
      let interruption = Interruption(now: { time })
      try interruption.install(.raiseFlag)
      kill(getpid(), SIGINT)
      for _ in 0..<1000 where !interruption.isRaised { usleep(10_000) }
      kill(getpid(), SIGTERM)
      usleep(300_000)
      do { try interruption.check() } catch { exit(ToolExit(for: error).rawValue) }
    }
  }

  /// A handler's frame on the stack of a thread inside oneDNN's generated code overwrites the heap.
  @Test func handlersDoNotRunOnThreadsThatCompute() async {
    await #expect(processExitsWith: .exitCode(3)) {
      try Interruption().install(.raiseFlag)
      Thread.detachNewThread {
        var mask = sigset_t()
        pthread_sigmask(SIG_BLOCK, nil, &mask)
        exit(sigismember(&mask, SIGINT) == 1 && sigismember(&mask, SIGTERM) == 1 ? 3 : 1)
      }
      sleep(10)
    }
  }

  @Test func anIgnoredSignalStaysIgnored() async {
    await #expect(processExitsWith: .exitCode(3)) {
      signal(SIGINT, SIG_IGN)
      try Interruption().install(.end)
      kill(getpid(), SIGINT)
      usleep(200_000)
      exit(3)
    }
  }
}
