import Communication
import FoundationEssentials
import Glibc

#if MPI
  import CMPI
#endif

/// The processes that mpirun or srun has started together.
public enum Ranks {
  /// Joins them. A process that was started alone does without MPI, which takes a while to start.
  /// - Throws: ``RankError`` for processes that cannot be connected.
  public static func join(_ environment: [String: String] = ProcessInfo.processInfo.environment) throws
    -> any Communicator
  {
    let processes = Launcher.processCount(environment)
    if processes == 1 { return SingleProcess() }
    #if MPI
      guard Launcher.connects(environment) else {
        throw RankError.notConnected(processes: processes, library: library)
      }
      let ranks = MPIRanks()
      guard ranks.count > 1 else {
        throw RankError.notConnected(processes: processes, library: library)
      }
      return ranks
    #else
      throw RankError.notConnected(processes: processes, library: nil)
    #endif
  }

  /// The library's name and version, such as "Open MPI v4.1.4", or "without MPI".
  public static var library: String {
    #if MPI
      let text = withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) {
        tsr_mpi_library($0.baseAddress, $0.count)
        return String(cString: $0.baseAddress!)
      }
      let line = text.prefix { !$0.isNewline && $0 != "," }
      return line.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    #else
      return "without MPI"
    #endif
  }
}

#if MPI
  /// All ranks of MPI.
  private final class MPIRanks: Communicator {
    let rank: Int
    let count: Int
    let sumsOnAnyThread: Bool

    init() {
      sumsOnAnyThread = tsr_mpi_start()
      (rank, count) = (Int(tsr_mpi_rank()), Int(tsr_mpi_count()))
    }

    func sum(_ values: UnsafeMutableBufferPointer<Float>) {
      RecursiveHalving(rank: rank, count: count) { partner, sent, received in
        tsr_mpi_exchange(
          Int32(partner), sent.baseAddress, Int32(sent.count), received.baseAddress, Int32(received.count))
      }.sum(values)
    }

    func gather(_ bytes: [UInt8]) -> [[UInt8]] {
      var sizes = [UInt64](repeating: 0, count: count)
      tsr_mpi_gather_sizes(UInt64(bytes.count), &sizes)
      let counts = sizes.map { Int32($0) }
      var offsets: [Int32] = []
      var total: Int32 = 0
      for count in counts {
        offsets.append(total)
        total += count
      }
      var all = [UInt8](repeating: 0, count: Int(total))
      tsr_mpi_gather_bytes(bytes, counts[rank], &all, counts, offsets)
      return zip(offsets, counts).map { Array(all[Int($0)..<Int($0 + $1)]) }
    }

    func abort(status: Int32) -> Never {
      tsr_mpi_abort(status)
      exit(status)
    }

    func finish() { tsr_mpi_finish() }
  }
#endif
