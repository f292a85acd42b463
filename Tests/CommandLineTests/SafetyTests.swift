import Foundation
import StreamFormat
import Testing
import TestSupport

/// No command line destroys a file that its run did not write or go on from.
@Suite struct SafetyTests {
  private let files: SharedFiles
  private let folder = try! TemporaryFolder()

  init() throws { files = try SharedFiles.get() }

  private func run(_ line: String) throws -> ToolProcess.Result {
    let names = [
      "IMAGES": files.images, "TOKENIZER": files.tokenizer, "TOKENS": files.tokens,
      "REARRANGED": files.rearranged,
      "MAPPING": files.mapping, "MODEL": files.model, "SAMPLES": files.samples,
      "RELABELLED": files.relabelled,
      "TRAIN": "train-ar \(files.relabelled) "
        + (SharedFiles.modelSizes + SharedFiles.repeatable).joined(separator: " ")
        + " --steps 2 --batch-size 4 --checkpoint-every 1",
    ]
    return try ToolProcess.shell(line, environment: names, in: folder.url, timeout: 60)
  }

  /// Every file of the folder with its bytes.
  private func contents() throws -> [String: [UInt8]] {
    let names = try FileManager.default.subpathsOfDirectory(atPath: folder.url.path).filter {
      var status = stat()
      return stat(folder.path($0), &status) == 0 && status.st_mode & S_IFMT == S_IFREG
    }
    return try Dictionary(uniqueKeysWithValues: names.map { ($0, try bytes(folder.path($0))) })
  }

  /// Command lines that name one file twice; `in`, `tok` and `m` are copies of inputs, `hard` and `soft` links to `in`.
  @Test(arguments: [
    "$TRAIN -o o --checkpoint o", "$TRAIN -o o --checkpoint in", "$TRAIN -o o --log o",
    "$TRAIN -o in --resume",
    "$TRAIN -o o --log o.checkpoint", "$TRAIN -o o --checkpoint ./o", "$TRAIN -o o --checkpoint hard",
    "$TRAIN -o soft", "$TRAIN -o o --checkpoint dangling --log new",
    "rearrange-codebook tok --cluster-size 4 -o x --mapping x",
    "rearrange-codebook tok --cluster-size 4 -o tok",
    "rearrange-codebook tok --cluster-size 4 -o x --log tok", "relabel-tokens --mapping $MAPPING in -o hard",
    "relabel-tokens --mapping $MAPPING - -o in < in", "show-file in --log soft",
    "sample --model m --count 2 -o m", "score-tokens --model m in --logits m",
    "detokenize --tokenizer tok in --folder f --grid f/g.png",
    "detokenize --tokenizer tok in --npz ./f/a/n --folder f/",
    "detokenize --tokenizer tok in --grid g --npz ./g", "detokenize --tokenizer tok in --grid tok",
    "tokenize pictures --tokenizer tok -o pictures/a.png",
    "tokenize - --tokenizer tok -o pictures/a.png < list",
    "train-tokenizer pictures -o t --checkpoint pictures/a.png",
    "import-weights --as inception-v3 in -o in",
    "eval-metrics --samples m --network pixels --write-features m",
  ]) func oneFileUnderTwoNamesIsRefused(line: String) throws {
    try prepare()
    let before = try contents()
    let result = try run(line.replacingOccurrences(of: "$TRAIN", with: "${TRAIN/$RELABELLED/in}"))
    #expect([64, 73].contains(result.status), "\(result.status) \(result.errors)")
    #expect(result.errors.contains("expected"), "\(result.errors)")
    #expect(try contents() == before)
  }

  private func prepare() throws {
    try FileManager.default.copyItem(atPath: files.relabelled, toPath: folder.path("in"))
    try FileManager.default.copyItem(atPath: files.tokenizer, toPath: folder.path("tok"))
    try FileManager.default.copyItem(atPath: files.model, toPath: folder.path("m"))
    let result = try run(
      "ln in hard; ln -s in soft; ln -s new dangling; mkdir pictures; cp $IMAGES/a/00.png pictures/a.png; "
        + "echo pictures/a.png > list")
    #expect(result.status == 0, "\(result.errors)")
  }

  @Test(arguments: ["/dev/null", "fifo", "tok"]) func aCheckpointOfNoRunIsLeftAlone(place: String) throws {
    try prepare()
    #expect(try run("mkfifo fifo").status == 0)
    for option in ["", "--resume"] {
      let result = try run("$TRAIN -o o --checkpoint \(place) \(option)")
      #expect([65, 73].contains(result.status), "\(result.errors)")
      #expect(result.errors.contains(place) && result.errors.contains("expected"), "\(result.errors)")
    }
    #expect(try bytes(folder.path("tok")) == bytes(files.tokenizer))
    var status = stat()
    #expect(stat("/dev/null", &status) == 0 && status.st_mode & S_IFMT == S_IFCHR)
    #expect(!folder.names.contains("o"))
  }

  @Test func anEarlierRunsCheckpointIsNotReplacedWithoutResuming() throws {
    #expect(try run("$TRAIN -o o --keep-checkpoint").status == 0)
    let before = try contents()
    expectRefusal(try run("$TRAIN -o o"), "train-ar", 73, "o.checkpoint", "try: --resume")
    #expect(try contents() == before)
    #expect(try run("$TRAIN -o o --resume").status == 0)
    #expect(folder.names == ["o"])
  }

  @Test func theFirstOutputWaitsForTheSecond() throws {
    for name in ["x", "y"] { try Data("old".utf8).write(to: folder.url.appending(path: name)) }
    let line = "rearrange-codebook $TOKENIZER --cluster-size 4 -o x --mapping"
    expectRefusal(try run("\(line) no/where"), "rearrange-codebook", 73, "no/where")
    expectRefusal(try run("\(line) /dev/full"), "rearrange-codebook", 74, "No space left")
    #expect(try contents() == ["x": Array("old".utf8), "y": Array("old".utf8)])
    #expect(try run("\(line) y").status == 0)
    #expect(try contents().values.allSatisfy { $0.count > 100 } && folder.names == ["x", "y"])
  }

  @Test func aLogReplacesNothingButALog() throws {
    try prepare()
    let result = try run("show-file $MODEL --log tok")
    expectRefusal(result, "show-file", 73, "tok", "expected a log")
    #expect(try bytes(folder.path("tok")) == bytes(files.tokenizer))
    for _ in 0..<2 { #expect(try run("sample --model $MODEL --count 2 -o s --log log").status == 0) }
    #expect(try String(contentsOfFile: folder.path("log"), encoding: .utf8).split(separator: "\n").count == 1)
  }

  // MARK: Streams, signals and leftovers

  @Test func closedStandardStreamsAreErrorsAndNoHang() throws {
    let cases: [(String, Int32)] = [
      ("show-file - <&-", 74), ("show-file $MODEL >&-", 74), ("show-file $MODEL >/dev/null 2>&-", 0),
      ("show-file $MODEL >&- 2>&-", 74), ("sample --model $MODEL --count 2 -o s >&- 2>&- <&-", 0),
      ("sample --model $MODEL --count 2 >&- 2>&-", 74),
      ("relabel-tokens --mapping $MAPPING - -o r <&- 2>&-", 74),
    ]
    for (line, status) in cases {
      let result = try run("exec 5>&2; \(line)")
      #expect(result.status == status, "\(line): \(result.status) \(result.errors)")
    }
    #expect(folder.names == ["s"])
    #expect(try tokenBatch(folder.path("s")).labels.count == 2)
  }

  @Test func aPipeInAFolderOfImagesIsNoImage() throws {
    try prepare()
    #expect(try run("mkfifo pictures/b.png").status == 0)
    let result = try run("timeout 20 tokenize pictures --tokenizer tok -o t")
    expectRefusal(result, "tokenize", 65, "pictures/b.png", "a pipe")
    #expect(try run("timeout 20 tokenize pictures --tokenizer tok -o t --skip-unreadable").status == 0)
  }

  @Test func metricsReadAPipeOnce() throws {
    let line = "timeout 30 eval-metrics --tokenizer $REARRANGED --pairs --json --size 16"
    let named = try run("\(line) --reference $SAMPLES --samples $SAMPLES")
    let piped = try run("\(line) --reference <(cat $SAMPLES) --samples <(cat $SAMPLES)")
    #expect(named.status == 0 && piped.status == 0, "\(named.errors) \(piped.errors)")
  }

  @Test func theSummarysReaderMayLeave() throws {
    let result = try run("sample --model $MODEL --count 2 -o s --json | true; echo ${PIPESTATUS[0]}")
    #expect(result.text == "0\n" && folder.names == ["s"], "\(result.errors)")
  }

  @Test(arguments: [("HUP", 129 as Int32), ("INT", 130), ("TERM", 143)])
  func aSignalLeavesNoPartialFolder(signal: String, status: Int32) throws {
    let line = """
      sample --quiet --model $MODEL --count 4000 -o many || exit 1
      set -m; detokenize --quiet --tokenizer $REARRANGED many --folder pictures &
      until [ "$(ls pictures.partial-*/a 2>/dev/null | wc -l)" -gt 20 ]; do
        kill -0 $! || break; sleep 0.01
      done
      kill -\(signal) $!; wait $!
      """
    let result = try run(line)
    #expect(result.status == status, "\(result.errors)")
    #expect(folder.names == ["many"])
  }

  @Test func aKilledRunsFilesAreRemovedByTheNext() throws {
    #expect(
      try run("mkdir -p p.partial-99999999/a; touch s.partial-99999999 s.partial-1 p.partial-99999999/a/b")
        .status == 0)
    #expect(
      try run("sample --model $MODEL --count 2 -o s && detokenize --tokenizer $REARRANGED s --folder p/")
        .status == 0)
    #expect(folder.names == ["p", "s", "s.partial-1"])
  }

  @Test func threadsThatCannotStartAreRefused() throws {
    let result = try run("ulimit -v 6000000; sample --model $MODEL --count 2 --threads 1000 -o s")
    expectRefusal(result, "sample", 1, "--threads 1000: expected as many threads", "try: --threads")
    expectRefusal(try run("sample --model $MODEL --count 2 --threads 1025"), "sample", 64, "from 1 to 1024")
  }

  /// With fewer than four open files the libraries of the tool cannot be loaded; with 30 the work is done.
  @Test(arguments: [4, 5, 6, 7, 8, 9, 10, 30]) func fewOpenFilesNeverEndInATrap(limit: Int) throws {
    let result = try run("ulimit -n \(limit); sample --quiet --model $MODEL --count 2 -o s")
    #expect(
      limit == 30 ? result.status == 0 : [0, 1, 66, 73, 74].contains(result.status), "\(result.errors)")
    #expect((result.status == 0) == (folder.names == ["s"]), "\(folder.names)")
    if limit == 4 { expectRefusal(result, "sample", 1, "expected two free file descriptors", "ulimit -n") }
  }

  /// The run's own checkpoint is not taken for another file where no file can be opened to tell.
  @Test(arguments: [4, 5, 6, 7, 8, 9, 30]) func fewOpenFilesMakeNoForeignCheckpoint(limit: Int) throws {
    let result = try run("ulimit -n \(limit); $TRAIN -o o --threads 1 --quiet")
    #expect(
      limit == 30 ? result.status == 0 : [0, 1, 66, 73, 74].contains(result.status), "\(result.errors)")
    #expect(!result.errors.contains("found another file"), "\(result.errors)")
  }

  @Test func negativeNumbersNeedNoEqualsSign() throws {
    let spaced = try run("sample --model $MODEL --count 2 --guidance -1 --no-provenance -o a")
    let joined = try run("sample --model $MODEL --count 2 --guidance=-1 --no-provenance -o b")
    #expect(spaced.status == 0 && joined.status == 0, "\(spaced.errors)")
    #expect(try bytes(folder.path("a")) == bytes(folder.path("b")))
  }
}
