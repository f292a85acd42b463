import ArgumentParser
import Foundation
@testable import StreamFormat
import Testing
import TestSupport
@testable import ToolRuntime

/// What a process may have, and that more is refused before it is asked for.
@Suite struct MemoryLimitTests {
  private func limit(_ files: [String: String]) throws -> MemoryLimit? {
    let folder = try TemporaryFolder()
    for (name, text) in files {
      let file = folder.url.appending(path: name)
      try FileManager.default.createDirectory(
        at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
      try text.write(to: file, atomically: false, encoding: .utf8)
    }
    return MemoryLimit.current(root: folder.url.path)
  }

  private let machine = "MemTotal:       8000 kB\nMemFree:  10 kB\nSwapTotal:      2000 kB\n"

  @Test func aMachineHasMemoryAndSwap() throws {
    let found = try limit(["proc/meminfo": machine])
    #expect(found == MemoryLimit(bytes: 10000 * 1024, reason: "the machine has"))
    #expect(try limit(["proc/meminfo": "MemTotal: 8000 kB\n"])?.bytes == 8000 * 1024)
    #expect(try limit([:]) == nil)
  }

  @Test(arguments: [("5000000", 5_000_000), ("max", 10_240_000), ("20000000", 10_240_000)])
  func cgroupsOfVersion2Limit(text: String, bytes: Double) throws {
    let files = [
      "proc/meminfo": machine, "proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max": "max\n",
      "sys/fs/cgroup/a/memory.max": "\(text)\n",
    ]
    #expect(try limit(files)?.bytes == bytes)
  }

  @Test func cgroupsOfVersion1Limit() throws {
    let files = [
      "proc/meminfo": machine, "proc/self/cgroup": "4:cpu,cpuacct:/job\n5:memory:/job\n",
      "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
      "sys/fs/cgroup/memory/job/memory.limit_in_bytes": "4096000\n",
    ]
    #expect(try limit(files)?.bytes == 4_096_000)
  }

  @Test func theAddressSpaceLimits() async throws {
    await #expect(processExitsWith: .success) {
      var bound = rlimit(rlim_cur: 3 << 30, rlim_max: 3 << 30)
      setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &bound)
      exit(MemoryLimit.current(root: "/nowhere")?.bytes == Double(3 << 30) ? 0 : 1)
    }
  }

  private func session() throws -> ToolSession {
    ToolSession(name: "test", arguments: [], options: try CommonOptions.parse([]))
  }

  @Test func whatDoesNotFitIsRefusedInWords() throws {
    let limit = MemoryLimit(bytes: 2e9, reason: "the machine has")
    let estimate = MemoryEstimate(
      [("the weights", 1.5e9), ("a batch of 64", 8.2e8)], advice: "a smaller one")
    let error = #expect(throws: ToolError.self) { try session().requireMemory(estimate, limit: limit) }
    #expect(error?.exitCode == .failed)
    #expect(
      error?.description
        == "memory: expected a need of at most 2.0 GB, which the machine has; found a need of at least 2.3 GB (the weights "
        + "1.5 GB, a batch of 64 820 MB); try: a smaller one")
    try session().requireMemory(MemoryEstimate([("the weights", 2e9)], advice: ""), limit: limit)
  }

  @Test func noProductIsTooLarge() throws {
    let size = 1e18
    let estimate = MemoryEstimate([("everything", size * size)], advice: "less")
    #expect(throws: ToolError.self) { try session().requireMemory(estimate) }
  }

  @Test func aModelInAFileNeedsMemoryTwice() throws {
    func summary(_ kind: String) -> RecordSummary {
      let info = TensorInfo(name: "w", elementType: .float16, shape: [1000, 1000])
      return RecordSummary(metadata: ["kind": kind], tensors: [info], origin: .memory)
    }
    #expect(MemoryEstimate(toRead: summary("tokens"), from: "f").bytes == 2e6)
    #expect(MemoryEstimate(toRead: summary("ar-model"), from: "f").bytes == 6e6)
  }
}
