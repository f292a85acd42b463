import Foundation
import StreamFormat
import Testing
import TestSupport

/// What a file tells of the tools it came through.
@Suite struct ProvenanceChainTests {
  private let files: SharedFiles
  private let folder = try! TemporaryFolder()

  init() throws { files = try SharedFiles.get() }

  private struct Entry: Decodable {
    struct Input: Decodable {
      let name: String
      let sha256: String?
    }
    let tool: String
    let arguments: [String]
    let seed: Int
    let inputs: [Input]
  }
  private struct Chain: Decodable { let provenance: [Entry] }

  @Test func theChainGoesThroughFiveTools() throws {
    let steps = ["--steps", "1", "--batch-size", "4"]
    let runs: [(String, [String])] = [
      ("train-tokenizer", [files.images, "-o", "t", "--seed", "4"] + SharedFiles.tokenizerSizes + steps),
      ("tokenize", ["--tokenizer", "t", files.images, "-o", "a"]),
      ("rearrange-codebook", ["t", "--cluster-size", "4", "-o", "r", "--mapping", "p"]),
      ("relabel-tokens", ["--mapping", "p", "a", "-o", "b"]),
      ("train-ar", ["b", "-o", "m"] + SharedFiles.modelSizes + steps),
      ("sample", ["--model", "m", "--count", "1", "-o", "s"]),
    ]
    for (tool, arguments) in runs { try succeed(tool, arguments, in: folder.url) }
    let json = try succeed("show-file", ["--provenance", "--json", "s"], in: folder.url)
    let chain = try JSONDecoder().decode(Chain.self, from: Data(json.output)).provenance
    #expect(Set(chain.map(\.tool)) == Set(runs.map(\.0)) && chain.count == 6)
    #expect(chain.first?.tool == "train-tokenizer" && chain.first?.seed == 4 && chain.last?.tool == "sample")
    for entry in chain {
      #expect(entry.arguments == runs.first { $0.0 == entry.tool }?.1)
      for input in entry.inputs where input.name != files.images {
        let hash = SHA256Hasher.hex(of: try bytes(folder.path(input.name)))
        #expect(input.sha256 == hash, "\(entry.tool): \(input.name)")
      }
    }
    #expect(chain.last?.inputs.map(\.name) == ["m"])
    let text = try succeed("show-file", ["--provenance", "s"], in: folder.url).text.split(separator: "\n")
    #expect(text.count == 6 && text.last?.hasPrefix("sample --model m --count 1 -o s  # version ") == true)
  }

  @Test func noProvenanceLeavesNone() throws {
    for path in [files.tokenizer, files.tokens, files.mapping, files.model, files.samples] {
      #expect(try record(path).metadata["provenance"] == nil)
      #expect(try succeed("show-file", ["--provenance", path]).text == "")
    }
  }

  @Test func samplesTellHowTheyWereDrawn() throws {
    let options = ["--guidance", "1.5", "--top-k", "7", "--temperature", "0.5", "-o", folder.path("s")]
    try succeed("sample", ["--model", files.model, "--count", "2"] + options)
    let settings = try #require(try record(folder.path("s")).metadata["sampling"])
    for part in ["\"scale\":1.5", "\"topK\":7", "\"temperature\":0.5"] {
      #expect(settings.contains(part), "\(settings)")
    }
  }
}
