import ForeignFiles
import StreamFormat

/// Changes of the members of zip archives, with the sizes and checksums that belong to them.
enum ZipMutation {
  struct Member: Equatable {
    var name: String
    var content: [UInt8]
  }

  /// A mutated archive; nil where the seed is no readable archive.
  static func mutate(_ seed: [UInt8], with random: inout MutationRandom) -> [UInt8]? {
    guard var members = members(of: seed), !members.isEmpty else { return nil }
    let place = random.below(members.count)
    switch random.below(8) {
    case 0: members.append(members[place])
    case 1: members.remove(at: place)
    case 2:
      members[place].name = random.pick([
        "data.pkl", "x/data/0", "a.npy", "", "\u{E9}.npy", "e\u{301}.npy", "../x", "/x", "byteorder",
      ])
    case 3:
      members[place].content = Array(
        members[place].content.prefix(random.below(members[place].content.count + 1)))
    default: mutate(&members[place], &random)
    }
    let bytes = archive(members)
    return random.once(in: 8) ? ByteMutation.mutate(bytes, with: &random) : bytes
  }

  private static func mutate(_ member: inout Member, _ random: inout MutationRandom) {
    if member.name.hasSuffix(".npy") {
      member.content = NumPyMutation.mutate(member.content, with: &random)
    } else if member.name.hasSuffix(".pkl") {
      member.content = PickleMutation.mutate(member.content, with: &random)
    } else {
      member.content = ByteMutation.mutate(member.content, with: &random)
    }
  }

  static func members(of archive: [UInt8]) -> [Member]? {
    guard let reader = try? ArchiveReader(MappedFile(archive, name: "seed")) else { return nil }
    var members: [Member] = []
    do {
      while let name = try reader.next() {
        members.append(Member(name: name, content: [UInt8](try reader.content())))
      }
    } catch { return nil }
    return members
  }

  /// A zip archive of stored members.
  static func archive(_ members: [Member]) -> [UInt8] {
    var (file, directory): ([UInt8], [UInt8]) = ([], [])
    for member in members {
      let name = Array(member.name.utf8)
      // Version, flags (names are UTF-8), method, time, date, checksum, both sizes, length of the name, no extra field.
      let size = littleEndian(member.content.count, width: 4)
      let common = joined(
        [20, 0, 0, 8, 0, 0, 0, 0, 0, 0], littleEndian(Int(crc32(member.content)), width: 4), size, size,
        littleEndian(name.count, width: 2), [0, 0])
      let place = littleEndian(file.count, width: 4)
      file += joined([0x50, 0x4B, 3, 4], common, name, member.content)
      directory += joined(
        [0x50, 0x4B, 1, 2, 20, 0], common, [UInt8](repeating: 0, count: 10), place, name)
    }
    let counts = littleEndian(members.count, width: 2)
    return joined(
      file, directory, [0x50, 0x4B, 5, 6, 0, 0, 0, 0], counts, counts,
      littleEndian(directory.count, width: 4),
      littleEndian(file.count, width: 4), [0, 0])
  }
}
