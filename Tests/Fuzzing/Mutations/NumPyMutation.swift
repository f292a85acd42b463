/// Changes of `.npy` files: the header's text with its length set right, and the data.
enum NumPyMutation {
  static func mutate(_ seed: [UInt8], with random: inout MutationRandom) -> [UInt8] {
    guard seed.count > 10, seed.starts(with: [0x93] + Array("NUMPY".utf8)) else {
      return ByteMutation.mutate(seed, with: &random)
    }
    let end = min(seed.count, 10 + Int(seed[8]) + Int(seed[9]) << 8)
    var (text, data) = (Array(seed[10..<end]), Array(seed[end...]))
    switch random.below(8) {
    case 0: data = ByteMutation.mutate(data, with: &random)
    case 1: data.append(contentsOf: random.bytes(1 + random.below(64)))
    default: text = TextMutation.mutate(text, with: &random)
    }
    let isNewer = random.once(in: 4)
    let length = random.once(in: 12) ? random.pick(interestingNumbers) : text.count
    let version: UInt8 = isNewer ? random.pick([2, 3, 9]) : 1
    return joined(Array(seed[..<6]), [version, 0], littleEndian(length, width: isNewer ? 4 : 2), text, data)
  }
}
