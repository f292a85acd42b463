import Foundation
import Images
import StreamFormat
import Testing
import TestSupport

/// A model that stays loaded draws what `sample` draws, and answers every request.
@Suite struct ServingTests {
  private let files: SharedFiles
  private let folder = try! TemporaryFolder()

  init() throws { files = try SharedFiles.get() }

  private struct Answer: Decodable {
    var id: Int?
    var image: Int?
    var of: Int?
    var `class`: Int?
    var tokens: [Int]?
    var png: String?
    var error: String?
  }

  private func serve(_ requests: [String], _ arguments: String...) throws -> [Answer] {
    let input = Array(requests.map { $0 + "\n" }.joined().utf8)
    let result = try ToolProcess.run(
      "sample", ["--serve", "--model", files.model, "--threads", "2"] + arguments, input: input,
      in: folder.url)
    #expect(result.status == 0 && result.errors.isEmpty, "\(result.errors)")
    return try result.text.split(separator: "\n").map {
      try JSONDecoder().decode(Answer.self, from: Data($0.utf8))
    }
  }

  private func sampled(_ arguments: String...) throws -> [[Int]] {
    let result = try ToolProcess.run(
      "sample", ["--model", files.model, "--threads", "2", "--quiet"] + arguments, in: folder.url)
    #expect(result.status == 0, "\(result.errors)")
    let batch = try TokenBatch(#require(try RecordReader(MemorySource(result.output)).next()))
    return (0..<batch.count).map { batch.tokens(image: $0).map(Int.init) }
  }

  @Test func answersAreWhatSampleDraws() throws {
    let answers = try serve(
      [
        #"{"id": 7, "classes": [2, "a"], "count": 3, "seed": 5, "guidance": 2, "temperature": 0.5, "top_k": 9, "top_p": 0.9}"#,
        "", #"{"classes": [1]}"#,
      ], "--batch-size", "4", "--guidance", "1.5")
    #expect(answers.map(\.id) == [7, 7, 7, 7, 7, 7, nil] && answers.map(\.class) == [2, 2, 2, 0, 0, 0, 1])
    #expect(answers.map(\.image) == [0, 1, 2, 3, 4, 5, 0] && answers.map(\.of) == [6, 6, 6, 6, 6, 6, 1])
    let first = try sampled(
      "--per-class", "3", "--classes", "2,0", "--seed", "5", "--guidance", "2", "--temperature", "0.5",
      "--top-k", "9",
      "--top-p", "0.9")
    #expect(answers.prefix(6).map(\.tokens) == first)
    #expect(try [answers[6].tokens] == sampled("--count", "1", "--classes", "1", "--guidance", "1.5"))
  }

  @Test func picturesAreNewFiles() throws {
    let request = #"{"classes": [0, 1], "png": "p"}"#
    let answers = try serve([request, request], "--tokenizer", files.rearranged)
    #expect(answers.map(\.png) == ["p-0.png", "p-1.png", nil])
    #expect(answers[2].error?.contains("p-0.png: expected a new file") == true)
    #expect(folder.names == ["p-0.png", "p-1.png"])
    let tokens = try sampled("--count", "2", "-o", "-")
    #expect(tokens.count == 2)
    let image = try ImageDecoder.decode(bytes(folder.path("p-1.png")), name: "p")
    #expect(image.width == 16 && image.height == 16)
  }

  @Test(arguments: [
    ("{", "strict JSON"), ("[]", "an object"), ("{}", "'classes', a list"),
    (#"{"classes": 3}"#, "names of classes; found 3"),
    (#"{"classes": []}"#, "1 to 65536 images"), (#"{"classes": [4]}"#, "a class from 0 to 2"),
    (#"{"classes": ["x"]}"#, "a name among a, b, c"), (#"{"classes": [0.5]}"#, "a class from 0 to 2"),
    (#"{"classes": [0], "count": 65537}"#, "1 to 65536 images"),
    (#"{"classes": [0], "count": 0}"#, "1 to 65536 images"),
    (#"{"classes": [0], "tempreature": 1}"#, "keys among"),
    (#"{"classes": [0], "temperature": -1}"#, "temperature"),
    (#"{"classes": [0], "top_p": 0}"#, "top_p above 0"),
    (#"{"classes": [0], "seed": -1}"#, "'seed' as an integer from 0 to 18446744073709551615; found -1"),
    (#"{"classes": [0], "png": "x"}"#, "--tokenizer"), (#"{"classes": [0], "classes": [1]}"#, "strict JSON"),
    (#"{"classes": [0], "top_k": 9223372036854775808}"#, "'top_k' as an integer; found 9223372036854775808"),
    (#"{"classes": [0], "count": 1.5}"#, "'count' as an integer; found 1.5"),
    (#"{"classes": [0], "count": 1.0}"#, "'count' as an integer; found 1.0"),
    (#"{"classes": [0], "guidance": 1e999}"#, "'guidance' as a number; found a number out of range"),
    (#"{"classes": [0], "png": 7}"#, "'png' as a text; found 7"),
  ]) func whatIsWrongIsTheAnswer(request: String, words: String) throws {
    let answers = try serve([request, #"{"classes": [0]}"#])
    #expect(answers.count == 2 && answers[1].tokens?.count == 64)
    let text = try #require(answers[0].error)
    #expect(text.hasPrefix("request 1: expected ") && text.contains(words) && text.count < 600, "\(text)")
  }

  /// A request that is too long is answered like any other that is wrong.
  @Test(arguments: [1 << 20, 3_000_000]) func aLongLineIsPassedOver(length: Int) throws {
    let long = String(repeating: "x", count: length)
    let answers = try serve([#"{"classes": [0]}"#, long, #"{"classes": [1]}"#, long + long])
    #expect(answers.count == 4 && answers[0].tokens?.count == 64 && answers[2].tokens?.count == 64)
    for place in [1, 3] {
      let text = try #require(answers[place].error)
      #expect(text.contains("request \(place + 1): ") && text.contains("expected"), "\(text)")
    }
    let endless = try ToolProcess.shell(
      "head -c 3000000 /dev/zero | sample --serve --model '\(files.model)'", in: folder.url)
    #expect(endless.status == 0 && endless.text.contains("line 1: expected lines of at most 1048576 bytes"))
  }

  @Test func aRequestWritesAllItsPicturesOrNone() throws {
    try Data().write(to: folder.url.appending(path: "q-1.png"))
    let answers = try serve([#"{"classes": [0, 1], "png": "q"}"#], "--tokenizer", files.rearranged)
    #expect(answers.count == 1 && answers[0].error?.contains("q-1.png: expected a new file") == true)
    #expect(folder.names == ["q-1.png"])
  }

  @Test func whoAskedIsTold() throws {
    let answers = try serve(
      [#"{"classes": "x", "id": 5}"#, #"{"id": 6, "zz": 1}"#], "--tokenizer", files.rearranged)
    #expect(answers.map(\.id) == [5, 6] && answers.allSatisfy { $0.error != nil })
    let cut = try serve([#"{"classes": [0], "png": "y\u0000x"}"#], "--tokenizer", files.rearranged)
    #expect(cut[0].error?.contains("without a zero byte") == true && folder.names.isEmpty)
  }

  /// Whatever an asker takes for a name of a request, it gets back.
  @Test(arguments: ["null", "\"a\"", "[1,2]", "18446744073709551615", "{\"a\":null}"]) func idsComeBack(
    id: String
  )
    throws
  {
    for request in ["{\"classes\":[0],\"id\":\(id)}", "{\"id\":\(id)}"] {
      let result = try ToolProcess.run(
        "sample", ["--serve", "--model", files.model], input: Array((request + "\n").utf8))
      #expect(result.text.contains("\"id\":\(id)"), "\(result.text.prefix(200))")
    }
    for request in ["{\"classes\":[0]}", "{}"] {
      let result = try ToolProcess.run(
        "sample", ["--serve", "--model", files.model], input: Array((request + "\n").utf8))
      #expect(!result.text.isEmpty && !result.text.contains("\"id\""), "\(result.text.prefix(200))")
    }
  }

  @Test func optionsThatMakeNoSense() throws {
    for arguments in [
      ["--serve"], ["--serve", "--model", files.model, "--count", "3"], ["--serve", "--model", "-"],
      ["--serve", "--model", files.model, "-o", "x"], ["--serve", "--model", files.model, "--shard", "1/2"],
      ["--model", files.model, "--tokenizer", files.tokenizer],
    ] {
      let result = try ToolProcess.run("sample", arguments, in: folder.url)
      #expect(result.status == 64, "\(arguments) \(result.errors)")
    }
    let other = try ToolProcess.run(
      "sample", ["--serve", "--model", files.model, "--tokenizer", files.tokenizer], in: folder.url)
    #expect(other.status == 65 && other.errors.contains("codebook"), "\(other.errors)")
    // A second stage of other coarse labels is no matter of a request.
    let fine = try CoarseToFineFiles.get().fine
    let unfit = try ToolProcess.run(
      "sample", ["--serve", "--model", files.model, "--fine", fine], in: folder.url)
    #expect(unfit.status == 65 && unfit.errors.contains("expected"), "\(unfit.errors)")
    let closed = try ToolProcess.shell(
      "yes '{\"classes\": [0]}' | sample --serve --model '\(files.model)' | head -n 2 | wc -l",
      in: folder.url, timeout: 60)
    #expect(closed.text.contains("2") && closed.errors.isEmpty, "\(closed.errors)")
  }
}
