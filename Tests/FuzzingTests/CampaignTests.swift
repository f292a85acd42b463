import Foundation
import Testing

@testable import Fuzzing

private let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
  .deletingLastPathComponent()

@Suite struct CampaignTests {
  let seeds = try! SeedFiles(root: root)
  let scratch = try! ScratchFolder()

  /// Seeds are files as they should be, apart from those that stand for a defect.
  @Test(arguments: FuzzKind.allCases) func seedsAreReadOrRefused(kind: FuzzKind) {
    let check = InputCheck()
    for (index, seed) in seeds[kind].enumerated() {
      if case .wrong(let fault) = check.outcome(of: seed, as: kind) {
        Issue.record("seed \(index): \(fault)")
      }
    }
    #expect(seeds[kind].contains { check.outcome(of: $0, as: kind) == .read })
  }

  /// A worker that dies on a file costs that file alone.
  @Test func aDeadWorkerIsAFinding() throws {
    let findings = try FindingFolder(scratch.url.appending(path: "findings"))
    let script = "echo words of the dying; kill -SEGV $$"
    let campaign = Campaign(
      kind: .labels, seed: 3, seeds: seeds, findings: findings, worker: ["/bin/sh", "-c", script], tools: root
    )
    var counts = CampaignCounts()
    try campaign.readFiles(4, until: nil, &counts)
    #expect(counts.findings.map(\.number) == [0, 1, 2, 3])
    #expect(
      counts.findings.allSatisfy {
        $0.fault.contains("signal(11)") && $0.fault.contains("words of the dying")
      })
    #expect(findings.count == 4)
    let input = [UInt8](try Data(contentsOf: findings.url.appending(path: "labels-3-2.input")))
    #expect(input == FuzzKind.labels.input(seed: 3, number: 2, of: seeds[.labels]))
  }

  @Test func whatAToolMustNotDo() throws {
    let tools = scratch.url.appending(path: "tools")
    let support = scratch.url.appending(path: "support")
    for folder in [tools, support] {
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }
    // The system starts no program that is open for writing, as a file just written may be in a process that another test
    // forks at this moment.
    try FileManager.default.createSymbolicLink(
      at: tools.appending(path: "tool"), withDestinationURL: URL(filePath: "/bin/sh"))
    let script = tools.appending(path: "script")
    func fault(_ text: String) throws -> String? {
      try Data("\(text)\n".utf8).write(to: script)
      return try ToolRuns(tools: tools, support: support).fault(of: ["tool", script.path], input: [1])
    }
    #expect(try fault("echo x > output") == nil)
    #expect(try fault("echo 'input: bad'; exit 65") == nil)
    #expect(try fault("exit 65")?.contains("no message") == true)
    #expect(try fault("exit 70")?.contains("exit status 70") == true)
    #expect(try fault("kill -ILL $$")?.contains("signal(4)") == true)
    #expect(try fault("echo x > output; echo bad; exit 65")?.contains("left behind") == true)
    #expect(try fault("echo x > output.partial-3")?.contains("left behind") == true)
    #expect(try fault("echo 'keyNotFound(CodingKeys)'; exit 65")?.contains("CodingKeys") == true)
  }

  @Test func whatAMessageMustNotBe() {
    #expect(ErrorText.fault(in: "input: expected a number; found 'x'; try: another") == nil)
    #expect(ErrorText.fault(in: String(repeating: "long ", count: 200)) != nil)
    #expect(ErrorText.fault(in: "Optional(3)") != nil)
    #expect(ErrorText.fault(in: "a\u{1B}[2J") != nil)
  }
}
