import Communication
import MessagePassing
import TensorCore
import TestRanks
import Testing

@Suite struct CommunicatorTests {
  /// Values of very different sizes, so that another order of additions has other bits.
  private static func values(_ count: Int, rank: Int) -> [Float] {
    var random = CounterRandom(seed: 5, purpose: .test, index: UInt64(rank))
    return (0..<count).map { _ in Float(random.normal()) * [1e-4, 1, 1e4][random.integer(below: 3)] }
  }

  /// The same tree, written down plainly: neighbours first.
  private static func tree(_ parts: [[Float]]) -> [Float] {
    if parts.count == 1 { return parts[0] }
    let half = parts.count / 2
    return zip(tree(Array(parts[..<half])), tree(Array(parts[half...]))).map { $0 + $1 }
  }

  @Test(arguments: [1, 2, 4, 8], [0, 1, 2, 7, 64, 1001]) func aSumIsOneTreeOnAllRanks(ranks: Int, size: Int)
    throws
  {
    let expected = Self.tree((0..<ranks).map { Self.values(size, rank: $0) })
    for messageSize in [3, 1000] {
      let sums = ThreadRanks.run(ranks, messageSize: messageSize) { communicator in
        var values = Self.values(size, rank: communicator.rank)
        values.withUnsafeMutableBufferPointer { communicator.sum($0) }
        return values
      }
      for sum in sums { #expect(try sum.get().map(\.bitPattern) == expected.map(\.bitPattern)) }
    }
    if ranks == 8, size == 1001 {
      let inOrder = (1..<ranks).reduce(Self.values(size, rank: 0)) { sum, rank in
        zip(sum, Self.values(size, rank: rank)).map { $0 + $1 }
      }
      #expect(inOrder != expected, "the values do not tell orders of additions apart")
    }
  }

  @Test(arguments: [1, 2, 4]) func whatIsGatheredIsInTheOrderOfRanks(ranks: Int) throws {
    let results = ThreadRanks.run(ranks) { communicator in
      let own = [Int](repeating: communicator.rank, count: communicator.rank)
      return (
        communicator.gather(numbers: own), communicator.isTrueAnywhere(communicator.rank == ranks - 1),
        communicator.isTrueAnywhere(false)
      )
    }
    let expected = (0..<ranks).flatMap { [Int](repeating: $0, count: $0) }
    for result in results {
      let (all, some, none) = try result.get()
      #expect(all == expected && some && !none)
    }
  }

  @Test(arguments: [1, 2, 4, 8], [0, 1, 7, 33]) func sharesCoverTheWhole(ranks: Int, total: Int) throws {
    for batchSize in [1, 4] {
      let shares = try ThreadRanks.run(ranks) { $0.share(of: total, batchSize: batchSize) }.map {
        try $0.get()
      }
      #expect(shares.flatMap { Array($0) } == Array(0..<total))
      #expect(shares.allSatisfy { $0.lowerBound % batchSize == 0 || $0.isEmpty })
    }
  }

  @Test func launchersSayHowManyTheyHaveStarted() {
    #expect(Launcher.processCount([:]) == 1)
    #expect(Launcher.processCount(["OMPI_COMM_WORLD_SIZE": "4", "SLURM_STEP_NUM_TASKS": "2"]) == 4)
    #expect(Launcher.processCount(["PMI_SIZE": "8"]) == 8)
    // A job of several tasks whose script runs one program.
    #expect(Launcher.processCount(["SLURM_NTASKS": "4"]) == 1)
    #expect(Launcher.processCount(["SLURM_STEP_NUM_TASKS": "4", "SLURM_NTASKS": "4"]) == 4)
  }

  @Test func launchersThatConnectTellTheRank() {
    #expect(!Launcher.connects(["SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": "1"]))
    for name in ["PMIX_RANK", "PMI_RANK", "OMPI_COMM_WORLD_RANK", "MV2_COMM_WORLD_RANK"] {
      #expect(Launcher.connects(["SLURM_STEP_NUM_TASKS": "2", name: "1"]))
    }
  }

  /// With or without MPI: processes that nothing connects are refused before MPI starts.
  @Test func processesThatNothingConnectsAreRefused() {
    #expect {
      _ = try Ranks.join(["SLURM_STEP_NUM_TASKS": "2"])
    } throws: { error in
      guard case .notConnected(2, _)? = error as? RankError else { return false }
      return true
    }
  }

  @Test func aProcessStartedAloneIsAlone() throws {
    #expect(try Ranks.join([:]).count == 1)
    #expect(try Ranks.join(["OMPI_COMM_WORLD_SIZE": "1"]).count == 1)
  }
}
