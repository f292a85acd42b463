/// Changes of the segments of JPEG files, with the lengths that belong to them.
enum JPEGMutation {
  static func mutate(_ seed: [UInt8], with random: inout MutationRandom) -> [UInt8] {
    var (segments, rest) = split(seed)
    guard !segments.isEmpty else { return ByteMutation.mutate(seed, with: &random) }
    for _ in 0...random.below(2) where !segments.isEmpty {
      let place = random.below(segments.count)
      switch random.below(7) {
      case 0: segments.remove(at: place)
      case 1: segments.insert(segments[place], at: random.below(segments.count))
      case 2: segments.swapAt(place, random.below(segments.count))
      case 3:
        rest = ByteMutation.mutate(
          rest, with: &random, words: [[0xFF, 0xD9], [0xFF, 0xD0], [0xFF, 0], [0xFF, 0xDA]])
      case 4:
        segments[place].marker = random.pick([
          0xC0, 0xC1, 0xC2, 0xC4, 0xC9, 0xCC, 0xDA, 0xDB, 0xDD, 0xE1, 0xEE, 0xFE,
        ])
      default: segments[place].data = ByteMutation.mutate(segments[place].data, with: &random)
      }
    }
    return [0xFF, 0xD8] + segments.flatMap(bytes) + rest
  }

  /// The segments before the first scan's data, and all that follows.
  static func split(_ file: [UInt8]) -> ([(marker: UInt8, data: [UInt8])], rest: [UInt8]) {
    var (segments, place): ([(UInt8, [UInt8])], Int) = ([], 2)
    while place + 4 <= file.count, file[place] == 0xFF {
      let (marker, count) = (file[place + 1], Int(file[place + 2]) << 8 | Int(file[place + 3]))
      guard count >= 2, place + 2 + count <= file.count else { break }
      segments.append((marker, Array(file[place + 4..<place + 2 + count])))
      place += 2 + count
      if marker == 0xDA { break }
    }
    return (segments, Array(file[min(place, file.count)...]))
  }

  static func bytes(_ segment: (marker: UInt8, data: [UInt8])) -> [UInt8] {
    let data = segment.data.prefix(65_533)
    return [0xFF, segment.marker] + littleEndian(data.count + 2, width: 2).reversed() + data
  }
}
