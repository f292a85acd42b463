/// Changes of the chunks of PNG files, with the checksums that belong to them.
enum PNGMutation {
  struct Chunk: Equatable {
    var type: [UInt8]
    var data: [UInt8]
  }

  static func mutate(_ seed: [UInt8], with random: inout MutationRandom) -> [UInt8] {
    var chunks = chunks(of: seed)
    guard !chunks.isEmpty else { return ByteMutation.mutate(seed, with: &random) }
    for _ in 0...random.below(2) where !chunks.isEmpty { change(&chunks, &random) }
    return file(chunks)
  }

  static func chunks(of file: [UInt8]) -> [Chunk] {
    var (chunks, place): ([Chunk], Int) = ([], 8)
    while place + 12 <= file.count {
      let count = file[place..<place + 4].reduce(0) { $0 << 8 | Int($1) }
      guard place + 12 + count <= file.count else { break }
      chunks.append(
        Chunk(type: Array(file[place + 4..<place + 8]), data: Array(file[place + 8..<place + 8 + count])))
      place += 12 + count
    }
    return chunks
  }

  private static let signature: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]

  static func file(_ chunks: [Chunk]) -> [UInt8] {
    chunks.reduce(into: signature) { file, chunk in
      let content = chunk.type + chunk.data
      file += bigEndian(UInt32(chunk.data.count))
      file += content
      file += bigEndian(crc32(content))
    }
  }

  private static func change(_ chunks: inout [Chunk], _ random: inout MutationRandom) {
    let place = random.below(chunks.count)
    switch random.below(8) {
    case 0: chunks[place].data = ByteMutation.mutate(chunks[place].data, with: &random)
    case 1: chunks.remove(at: place)
    case 2: chunks.insert(chunks[place], at: random.below(chunks.count))
    case 3: chunks.swapAt(place, random.below(chunks.count))
    case 4:
      let type = Array(
        random.pick(["PLTE", "tRNS", "eXIf", "gAMA", "iCCP", "bKGD", "acTL", "IDAT", "IEND"]).utf8)
      chunks.insert(Chunk(type: type, data: random.bytes(random.below(40))), at: random.below(chunks.count))
    case 5 where chunks[0].data.count == 13: changeHeader(&chunks[0].data, &random)
    default:
      chunks =
        image(&random) + chunks.filter { $0.type == Array("PLTE".utf8) || $0.type == Array("tRNS".utf8) }
    }
    if chunks.last?.type != Array("IEND".utf8), !random.once(in: 4) {
      chunks.append(Chunk(type: Array("IEND".utf8), data: []))
    }
  }

  private static func changeHeader(_ header: inout [UInt8], _ random: inout MutationRandom) {
    if random.once(in: 2) {
      let size = UInt32(truncatingIfNeeded: random.pick(interestingNumbers + [16_384, 65_500, 65_501]))
      header.replaceSubrange(random.pick([0..<4, 4..<8]), with: bigEndian(size))
    } else {
      header[8 + random.below(5)] = random.pick([0, 1, 2, 3, 4, 6, 8, 16, 255])
    }
  }

  /// The header and pixels of a small image of any type, which nearly fit together; no compression, which needs no zlib.
  private static func image(_ random: inout MutationRandom) -> [Chunk] {
    let (width, height) = (1 + random.below(20), 1 + random.below(20))
    let (depth, type) = (random.pick([1, 2, 4, 8, 16]), random.pick([0, 2, 3, 4, 6]))
    let samples = [0: 1, 2: 3, 3: 1, 4: 2, 6: 4][type] ?? 1
    let row = 1 + (width * depth * samples + 7) / 8
    let interlace = random.below(4) == 0 ? 1 : 0
    let count = max(0, row * height + random.pick([0, 0, 0, 1, -1, 40]))
    let pixels = (0..<count).map { $0 % row == 0 ? UInt8(random.below(6)) : UInt8(random.below(256)) }
    let header = joined(
      bigEndian(UInt32(width)), bigEndian(UInt32(height)),
      [UInt8(depth), UInt8(type), 0, 0, UInt8(interlace)])
    let stream = joined(
      [0x78, 1, 1], littleEndian(count, width: 2), littleEndian(~count & 0xFFFF, width: 2), pixels,
      bigEndian(adler32(pixels)))
    return [Chunk(type: Array("IHDR".utf8), data: header), Chunk(type: Array("IDAT".utf8), data: stream)]
  }
}
