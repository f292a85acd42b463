import FoundationEssentials
import Glibc

/// The control groups (cgroups) of this process, which limit its processors and its memory.
struct ControlGroups {
  /// A folder with the limits of a group.
  struct Folder {
    let path: String
    /// 1 or 2; the two versions name their files differently.
    let version: Int

    /// The text of one of its files; nil where there is none.
    func read(_ name: String) -> String? { try? String(contentsOfFile: "\(path)/\(name)", encoding: .utf8) }

    /// The number in one of its files; nil where there is none, and for `max`.
    func number(_ name: String) -> Double? {
      read(name)?.split(whereSeparator: \.isWhitespace).first.flatMap { Double($0) }
    }
  }

  /// The folders of all groups the process is in, with those that contain them: each of them limits it. In a container the
  /// innermost path may not be visible.
  /// - Parameters:
  ///   - controller: such as `cpu` or `memory`.
  ///   - root: Where `/proc` and `/sys` are found.
  static func folders(_ controller: String, root: String) -> [Folder] {
    let groups = (try? String(contentsOfFile: "\(root)/proc/self/cgroup", encoding: .utf8)) ?? ""
    return groups.split(separator: "\n").flatMap { line -> [Folder] in
      // A line is `0::/path` (version 2) or `4:cpu,cpuacct:/path` (version 1).
      let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard fields.count == 3 else { return [] }
      let paths = withAncestors(String(fields[2]))
      if fields[0] == "0" { return paths.map { Folder(path: "\(root)/sys/fs/cgroup\($0)", version: 2) } }
      guard fields[1].split(separator: ",").contains(Substring(controller)) else { return [] }
      return Set([controller, String(fields[1])]).sorted().flatMap { name in
        paths.map { Folder(path: "\(root)/sys/fs/cgroup/\(name)\($0)", version: 1) }
      }
    }
  }

  /// A group and all groups that contain it.
  private static func withAncestors(_ path: String) -> [String] {
    let parts = path.split(separator: "/")
    return (0...parts.count).map { parts.prefix($0).map { "/" + $0 }.joined() }
  }
}
