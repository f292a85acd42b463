import Foundation
import Testing
import TestSupport

/// Stages that pipe into each other give what they give file by file.
@Suite struct PipeTests {
  private let files: SharedFiles
  private let folder = try! TemporaryFolder()

  init() throws { files = try SharedFiles.get() }

  private func shell(_ line: String) throws -> ToolProcess.Result {
    let names = [
      "IMAGES": files.images, "TOKENIZER": files.tokenizer, "TOKENS": files.tokens,
      "REARRANGED": files.rearranged,
      "MAPPING": files.mapping, "RELABELLED": files.relabelled, "MODEL": files.model,
      "SAMPLES": files.samples,
      "SAME": SharedFiles.repeatable.joined(separator: " "),
      "SIZES": SharedFiles.modelSizes.joined(separator: " "),
    ]
    return try ToolProcess.shell(line, environment: names, in: folder.url, timeout: 60)
  }

  @Test func tokensFlowIntoTheModel() throws {
    let piped = try shell(
      "tokenize $SAME --tokenizer $TOKENIZER $IMAGES | relabel-tokens $SAME --mapping $MAPPING - "
        + "| train-ar $SAME $SIZES --cluster-size 4 --steps 12 --batch-size 16 - -o model")
    #expect(piped.status == 0 && piped.text == "", "\(piped.errors)")
    #expect(try bytes(folder.path("model")) == bytes(files.model))
  }

  @Test func theModelFlowsThroughStandardOutput() throws {
    let piped = try shell(
      "train-ar $SAME $SIZES --cluster-size 4 --steps 12 --batch-size 16 $RELABELLED -o - | cat > model")
    #expect(piped.status == 0, "\(piped.errors)")
    #expect(try bytes(folder.path("model")) == bytes(files.model))
  }

  @Test func samplesFlowIntoPictures() throws {
    let piped = try shell(
      "sample $SAME --model $MODEL --count 6 | detokenize --tokenizer $REARRANGED - --grid - > piped.png")
    #expect(piped.status == 0, "\(piped.errors)")
    let named = try shell("detokenize --tokenizer $REARRANGED $SAMPLES --grid named.png")
    #expect(named.status == 0)
    let picture = try bytes(folder.path("piped.png"))
    #expect(picture.starts(with: [0x89, 0x50, 0x4E, 0x47]))
    #expect(try picture == bytes(folder.path("named.png")))
  }

  @Test func modelsAndTokenizersCanBePipedToo() throws {
    let line = "sample $SAME --model - --count 6 < $MODEL | cmp - $SAMPLES"
    #expect(try shell(line).status == 0)
    #expect(try shell("tokenize $SAME --tokenizer - $IMAGES < $TOKENIZER | cmp - $TOKENS").status == 0)
  }

  @Test func concatenatedTokensAreTokens() throws {
    let result = try shell("cat $TOKENS $TOKENS | relabel-tokens $SAME --mapping $MAPPING - -o twice")
    #expect(result.status == 0, "\(result.errors)")
    let (once, twice) = (try tokenBatch(files.relabelled), try tokenBatch(folder.path("twice")))
    #expect(twice.labels == once.labels + once.labels && twice.tokens == once.tokens + once.tokens)
  }

  @Test func concatenatedModelsAreRefused() throws {
    let result = try shell("cat $MODEL $MODEL | sample --model - -o out")
    expectRefusal(result, "sample", 65, "standard input", "expected one record", "found a second one", "try:")
  }

  @Test func aListOfImagesIsWhatItsFolderIs() throws {
    let list = "find $IMAGES -name '*.png' | LC_ALL=C sort"
    #expect(try shell("\(list) | tokenize $SAME --tokenizer $TOKENIZER - | cmp - $TOKENS").status == 0)
    let classes = try shell(
      // Not head, which ends sort by SIGPIPE when it is fast.
      "\(list) | sed -n '1,2s/$/\\tz/p' | tokenize $SAME --tokenizer $TOKENIZER - -o some")
    #expect(classes.status == 0, "\(classes.errors)")
    #expect(try tokenBatch(folder.path("some")).header.classNames == ["z"])
  }

  @Test func aMissingEntryOfAListIsSaid() throws {
    let result = try shell("echo missing.png | tokenize --tokenizer $TOKENIZER - ")
    expectRefusal(result, "tokenize", 66, "missing.png", "not found")
  }

  @Test func aClosedPipeEndsQuietly() throws {
    // More than a pipe holds, in many records: some write must meet the closed end.
    let line =
      "sample --quiet --model $MODEL --count 400 --batch-size 1 | head -c 1 > first; echo ${PIPESTATUS[0]}"
    let result = try shell(line)
    #expect(result.text == "141\n" && result.errors == "")
    #expect(try bytes(folder.path("first")).count == 1)
  }

  @Test func aFailedStageFailsThePipeline() throws {
    let result = try shell(
      "tokenize --tokenizer missing $IMAGES | relabel-tokens --mapping $MAPPING - -o out; echo ${PIPESTATUS[*]}"
    )
    #expect(result.text == "66 65\n")
    #expect(folder.names == [], "the second stage leaves no file")
  }

  @Test func binaryDataIsNotWrittenToATerminal() throws {
    let result = try shell("script -qec \"tokenize --tokenizer $TOKENIZER $IMAGES\" /dev/null")
    #expect(result.status == 64 && result.text.contains("found a terminal"))
  }
}
