import Foundation
import Testing
import TestSupport
@testable import ToolRuntime

@Suite struct ThreadCountTests {
  private func count(_ files: [String: String]) throws -> Int {
    let folder = try TemporaryFolder()
    for (name, text) in files {
      let file = folder.url.appending(path: name)
      try FileManager.default.createDirectory(
        at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
      try text.write(to: file, atomically: false, encoding: .utf8)
    }
    return ThreadCount.available(root: folder.url.path)
  }

  private let sixteen = "Name:\tx\nCpus_allowed:\t00000000,0000ffff\nCpus_allowed_list:\t0-15\n"

  @Test func affinityIsCounted() throws {
    #expect(try count(["proc/self/status": sixteen]) == 16)
    #expect(try count(["proc/self/status": "Cpus_allowed:\t5\n"]) == 2)
  }

  @Test(arguments: [("200000 100000", 2), ("250000 100000", 3), ("1000 100000", 1), ("max 100000", 16)])
  func version2QuotasLimit(quota: String, expected: Int) throws {
    let files = [
      "proc/self/status": sixteen, "proc/self/cgroup": "0::/a/b\n",
      "sys/fs/cgroup/a/b/cpu.max": "max 100000\n",
      "sys/fs/cgroup/a/cpu.max": "\(quota)\n",
    ]
    #expect(try count(files) == expected)
  }

  @Test func theRootOfAContainerIsLookedAt() throws {
    let files = [
      "proc/self/status": sixteen, "proc/self/cgroup": "0::/not/visible\n",
      "sys/fs/cgroup/cpu.max": "400000 100000\n",
    ]
    #expect(try count(files) == 4)
  }

  @Test(arguments: [("600000", 6), ("-1", 16)]) func version1QuotasLimit(quota: String, expected: Int) throws
  {
    let files = [
      "proc/self/status": sixteen, "proc/self/cgroup": "5:memory:/x\n4:cpu,cpuacct:/job\n",
      "sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us": "\(quota)\n",
      "sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us": "100000\n",
    ]
    #expect(try count(files) == expected)
  }

  @Test func threadsThatTheSystemDoesNotStartAreRefused() async throws {
    try ThreadCount.requireStartable(8)
    await #expect(processExitsWith: .exitCode(1)) {
      // Room for some stacks of threads, and not for a thousand.
      var limit = rlimit(rlim_cur: 4 << 30, rlim_max: 4 << 30)
      setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit)
      do { try ThreadCount.requireStartable(1024) } catch { exit(ToolExit(for: error).rawValue) }
    }
  }

  @Test func theMachineAtHandGrantsSome() {
    let processors = ProcessInfo.processInfo.processorCount
    #expect((1...processors).contains(ThreadCount.available()))
  }
}
