/// Changes of bytes without knowledge of what they mean.
enum ByteMutation {
  /// Makes one to four changes.
  /// - Parameters:
  ///   - words: byte strings that mean something to the reader.
  ///   - other: another file of the kind, from which pieces are taken.
  static func mutate(
    _ bytes: [UInt8], with random: inout MutationRandom, words: [[UInt8]] = [], other: [UInt8] = []
  ) -> [UInt8] {
    var bytes = bytes
    for _ in 0...random.below(4) { change(&bytes, &random, words, other) }
    return bytes
  }

  private static func change(
    _ bytes: inout [UInt8], _ random: inout MutationRandom, _ words: [[UInt8]], _ other: [UInt8]
  ) {
    let place = random.below(bytes.count + 1)
    switch random.below(words.isEmpty ? 9 : 11) {
    case 0 where place < bytes.count: bytes[place] ^= 1 << UInt8(random.below(8))
    case 1 where place < bytes.count:
      bytes[place] = random.pick([0, 1, 0x7F, 0x80, 0xFF, UInt8(random.below(256))])
    case 2: overwrite(&bytes, at: place, with: integer(&random))
    case 3: bytes.insert(contentsOf: random.bytes(1 + random.below(8)), at: place)
    case 4: bytes.removeSubrange(place..<min(bytes.count, place + 1 + random.below(16)))
    case 5: bytes.removeSubrange(place...)
    case 6:
      let piece = Array(bytes[place..<min(bytes.count, place + 1 + random.below(64))])
      bytes.insert(contentsOf: piece, at: random.below(bytes.count + 1))
    case 7:
      overwrite(&bytes, at: place, with: [UInt8](repeating: random.pick([0, 0xFF]), count: random.below(32)))
    case 8 where !other.isEmpty:
      bytes = Array(bytes[..<place]) + other[random.below(other.count)...]
    case 9: bytes.insert(contentsOf: random.pick(words), at: place)
    case 10: overwrite(&bytes, at: place, with: random.pick(words))
    default: bytes.append(contentsOf: random.bytes(1 + random.below(40)))
    }
  }

  /// An interesting number in two, four or eight bytes of either order.
  private static func integer(_ random: inout MutationRandom) -> [UInt8] {
    let number = UInt64(bitPattern: Int64(random.pick(interestingNumbers) &+ random.pick([0, 0, 1, -1])))
    let width = random.pick([2, 4, 8])
    let little = (0..<width).map { UInt8(truncatingIfNeeded: number >> UInt64(8 * $0)) }
    return random.once(in: 2) ? little : little.reversed()
  }

  private static func overwrite(_ bytes: inout [UInt8], at place: Int, with new: [UInt8]) {
    bytes.replaceSubrange(place..<min(bytes.count, place + new.count), with: new)
  }
}
