/// What the environment tells of the program that has started this process.
public enum Launcher {
  /// Where launchers say how many processes they have started: Open MPI's mpirun, MVAPICH's, those of MPICH and Intel MPI,
  /// and srun.
  private static let variables = [
    "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS",
  ]

  /// How many processes the launcher has started for one program; 1 without a launcher.
  public static func processCount(_ environment: [String: String]) -> Int {
    variables.lazy.compactMap { environment[$0] }.compactMap { Int($0) }.first ?? 1
  }

  /// Whether the launcher has told this process its number among the others, as one does that can connect them: mpirun, and
  /// srun with a plugin for PMIx or PMI. Open MPI ends a process without it, in words of its own.
  public static func connects(_ environment: [String: String]) -> Bool {
    ["PMIX_RANK", "PMI_RANK", "OMPI_COMM_WORLD_RANK", "MV2_COMM_WORLD_RANK"].contains {
      environment[$0] != nil
    }
  }
}

/// Processes that were to be one run, and cannot be.
public enum RankError: Error, Equatable, CustomStringConvertible {
  /// The launcher has started several processes, each of which would be a run of its own.
  case notConnected(processes: Int, library: String?)
  /// Several ranks would share a standard stream.
  case standardStream(option: String, ranks: Int)

  public var description: String {
    switch self {
    case .notConnected(let processes, nil):
      "expected a program with MPI, since \(processes) processes were started together; found one without it; try: "
        + "install libopenmpi-dev or libmpich-dev and build again, or start one process"
    case .notConnected(let processes, let library?):
      "expected \(processes) connected processes, as many as were started together; found one alone (\(library)); try: "
        + "the mpirun of that library, or srun --mpi=pmix or --mpi=pmi2"
    case .standardStream(let option, let ranks):
      "\(option): expected a file, because \(ranks) ranks read and write; found '-'; try: a file's name"
    }
  }
}
