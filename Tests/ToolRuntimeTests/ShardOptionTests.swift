import ArgumentParser
import StreamFormat
import Testing
@testable import ToolRuntime

/// How work is cut into shards, and how a user names one.
@Suite struct ShardOptionTests {
  private func shards(_ count: Int) throws -> [ShardNumber] {
    try (1...count).map { try ShardNumber("\($0)/\(count)", environment: [:]) }
  }

  @Test func sharesCoverEverythingOnceInOrder() throws {
    for count in [1, 2, 3, 7, 8, 64, 1000] {
      for total in [0, 1, 2, 6, 7, 8, 63, 64, 65, 999, 1_281_167, Int.max] {
        var end = 0
        var sizes: Set<Int> = []
        for shard in try shards(count) {
          let range = shard.range(of: total)
          #expect(range.lowerBound == end)
          end = range.upperBound
          sizes.insert(range.count)
        }
        #expect(end == total)
        #expect(sizes.count <= 2 && sizes.max()! - sizes.min()! <= 1, "\(total) in \(count): \(sizes)")
      }
    }
  }

  @Test func partsHaveWholeBatches() throws {
    // Batches of 4 in records of 10, as of a tool whose batch does not divide its records.
    let starts = [0, 4, 8, 10, 14, 18, 20, 24]
    for count in [1, 2, 3, 8, 11] {
      var end = 0
      for shard in try shards(count) {
        let part = shard.part(of: 25, batches: starts)
        #expect(part.items.lowerBound == end && (starts + [25]).contains(end))
        end = part.items.upperBound
        #expect(
          part.shard
            == (count == 1
              ? nil : Shard(number: shard.number, count: count, first: part.items.lowerBound, total: 25)))
      }
      #expect(end == 25)
    }
    let options = try ShardOptions.parse([])
    #expect(options.part(of: 25, batchSize: 4) == ShardPart(items: 0..<25, shard: nil))
    #expect(try ShardOptions.parse(["--shard", "2/3"]).part(of: 25, batchSize: 4).items == 12..<20)
    #expect(try ShardOptions.parse(["--shard", "2/3"]).part(of: 0, batchSize: 4).items == 0..<0)
  }

  @Test(arguments: [
    "", "1", "/", "1/", "/1", "a/b", "0/0", "0/3", "4/3", "-1/3", "1/-3", "1/3/3", "1.0/3", "1 / 3",
    "1/1048577", "Slurm",
  ]) func otherWordsAreRefused(text: String) {
    #expect(throws: ValidationError.self) { try ShardNumber(text, environment: [:]) }
  }

  private func slurm(_ values: [String: String]) throws -> ShardNumber {
    try ShardNumber(
      "slurm",
      environment: Dictionary(uniqueKeysWithValues: values.map { ("SLURM_ARRAY_TASK_\($0)", $1) }))
  }

  @Test func tasksOfAnArray() throws {
    for task in 1...4 {
      #expect(
        try slurm(["ID": "\(task)", "COUNT": "4", "MIN": "1", "MAX": "4", "STEP": "1"])
          == ShardNumber("\(task)/4"))
      // Arrays may begin anywhere, and go in steps.
      #expect(try slurm(["ID": "\(task - 1)", "COUNT": "4", "MIN": "0"]) == ShardNumber("\(task)/4"))
      #expect(
        try slurm(["ID": "\(7 + 5 * task)", "COUNT": "4", "MIN": "12", "STEP": "5"])
          == ShardNumber("\(task)/4"))
    }
    #expect(try slurm(["ID": "3", "COUNT": "4"]) == ShardNumber("3/4"))
  }

  @Test(arguments: [
    [:], ["ID": "1"], ["COUNT": "4"], ["ID": "x", "COUNT": "4"], ["ID": "1", "COUNT": ""],
    // A list such as --array=2,5,9.
    ["ID": "9", "COUNT": "3", "MIN": "2"], ["ID": "1", "COUNT": "3", "MIN": "2"],
    ["ID": "4", "COUNT": "3", "MIN": "1", "STEP": "2"], ["ID": "1", "COUNT": "0", "MIN": "1"],
  ]) func otherArraysAreRefused(values: [String: String]) {
    #expect(throws: ValidationError.self) { try slurm(values) }
  }
}
