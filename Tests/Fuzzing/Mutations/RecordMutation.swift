import StreamFormat

/// Changes of the suite's own files beneath compression: the checksums of the result are right, its content is not.
enum RecordMutation {
  /// A mutated file; nil where the seed is no readable file.
  static func mutate(_ seed: [UInt8], with random: inout MutationRandom) -> [UInt8]? {
    let reader = RecordReader(MemorySource(seed, name: "seed"))
    var drafts: [RecordDraft] = []
    do { while let record = try reader.next() { drafts.append(RecordDraft(record)) } } catch { return nil }
    if drafts.isEmpty { return nil }
    let place = random.below(drafts.count)
    for _ in 0..<random.pick([1, 1, 1, 2, 3]) { change(&drafts[place], &random) }
    return write(drafts, place, &random)
  }

  private static func write(_ drafts: [RecordDraft], _ place: Int, _ random: inout MutationRandom) -> [UInt8]
  {
    var drafts = drafts
    switch random.below(24) {
    case 0: return drafts[place].blob
    case 1: drafts.append(drafts[place])
    case 2: drafts.swapAt(place, random.below(drafts.count))
    case 3:
      return RecordDraft.file(
        drafts, counts: (random.pick(interestingNumbers), random.pick(interestingNumbers)))
    case 4: return drafts.flatMap { RecordDraft.frame($0.blob) }
    case 5: return RecordDraft.file(drafts) + RecordDraft.file([drafts[place]])
    default: break
    }
    return RecordDraft.file(drafts)
  }

  static func change(_ draft: inout RecordDraft, _ random: inout MutationRandom) {
    let keys = draft.metadata.keys.sorted()
    switch random.below(12) {
    case 0...2 where !keys.isEmpty: changeMetadata(&draft, key: random.pick(keys), &random)
    case 3...4 where !draft.entries.isEmpty:
      changeEntry(&draft.entries[random.below(draft.entries.count)], &random)
    case 5...7 where !draft.data.isEmpty: changeElements(&draft, &random)
    case 8...9 where !draft.entries.isEmpty:
      resize(&draft, random.below(draft.entries.count), &random)
    case 10 where !draft.entries.isEmpty: convert(&draft, random.below(draft.entries.count), &random)
    default: draft.headerText = TextMutation.mutate(draft.header, with: &random)
    }
  }

  private static func changeMetadata(_ draft: inout RecordDraft, key: String, _ random: inout MutationRandom)
  {
    let value = draft.metadata[key] ?? ""
    switch random.below(6) {
    case 0: draft.metadata[key] = nil
    case 1: draft.metadata[key] = draft.metadata.values.sorted()[random.below(draft.metadata.count)]
    case 2: draft.metadata[key] = String(random.pick(interestingNumbers))
    default:
      draft.metadata[key] = String(
        decoding: TextMutation.mutate(Array(value.utf8), with: &random), as: UTF8.self)
    }
  }

  private static func changeEntry(_ entry: inout RecordDraft.Entry, _ random: inout MutationRandom) {
    switch random.below(6) {
    case 0: entry.type = random.pick(ElementType.allCases.map(\.rawValue) + ["F8", ""])
    case 1:
      entry.name = random.pick([
        "tokens", "labels", "features", "mean", "", "__metadata__", entry.name + "\u{301}",
      ])
    case 2: entry.begin = entry.begin &+ random.pick([1, -1, 8] + interestingNumbers)
    case 3: entry.end = entry.end &+ random.pick([1, -1, 8] + interestingNumbers)
    case 4:
      entry.shape.insert(
        random.pick([1, 1, 0] + interestingNumbers), at: random.below(entry.shape.count + 1))
    default:
      if !entry.shape.isEmpty {
        entry.shape[random.below(entry.shape.count)] = random.pick(interestingNumbers)
      }
    }
  }

  /// Writes special values over some elements of a tensor, in the tensor's type.
  private static func changeElements(_ draft: inout RecordDraft, _ random: inout MutationRandom) {
    let whole = draft.entries.filter { 0 <= $0.begin && $0.begin < $0.end && $0.end <= draft.data.count }
    guard !whole.isEmpty else { return }
    let entry = random.pick(whole)
    guard let type = ElementType(rawValue: entry.type) else { return }
    let count = (entry.end - entry.begin) / type.byteCount
    guard count > 0 else { return }
    for _ in 0...random.below(3) {
      let place = entry.begin + random.below(count) * type.byteCount
      let value = special(type, &random)
      draft.data.replaceSubrange(place..<place + type.byteCount, with: value)
    }
    repairHash(&draft, of: entry, &random)
  }

  /// Half of the changed codebooks get the hash that belongs to them, so that readers look further.
  private static func repairHash(
    _ draft: inout RecordDraft, of entry: RecordDraft.Entry, _ random: inout MutationRandom
  ) {
    guard entry.name == "quantize.embedding.weight", random.once(in: 2) else { return }
    draft.metadata["codebook_sha256"] = SHA256Hasher.hex(of: Array(draft.data[entry.begin..<entry.end]))
  }

  private static func special(_ type: ElementType, _ random: inout MutationRandom) -> [UInt8] {
    let bits: UInt64
    switch type {
    case .float32: bits = random.pick([0x7FC0_0000, 0x7F80_0000, 0xFF80_0000, 0x7F7F_FFFF, 1, 0x8000_0000])
    case .float64:
      bits = random.pick([0x7FF8 << 48, 0x7FF0 << 48, 0xFFF0 << 48, 0x7FEF_FFFF_FFFF_FFFF, 1, 0x47F0 << 48])
    case .float16: bits = random.pick([0x7E00, 0x7C00, 0xFC00, 0x7BFF, 1])
    case .bfloat16: bits = random.pick([0x7FC0, 0x7F80, 0xFF80, 0x7F7F, 1])
    default: bits = UInt64(bitPattern: Int64(random.pick(interestingNumbers)))
    }
    return (0..<type.byteCount).map { UInt8(truncatingIfNeeded: bits >> UInt64(8 * $0)) }
  }

  /// Gives a tensor another size in one dimension, or takes it away, with its data: the record stays well formed.
  private static func resize(_ draft: inout RecordDraft, _ index: Int, _ random: inout MutationRandom) {
    let entry = draft.entries[index]
    guard 0 <= entry.begin, entry.begin <= entry.end, entry.end <= draft.data.count, !entry.shape.isEmpty
    else { return }
    let dimension = random.below(entry.shape.count)
    let size = max(1, entry.shape[dimension])
    guard size < 1 << 32 else { return }
    let wanted = random.pick([0, 1, size - 1, size + 1, 2 * size])
    let old = Array(draft.data[entry.begin..<entry.end])
    let new = (0..<old.count / size * wanted).map { old[$0 % old.count] }
    draft.data.replaceSubrange(entry.begin..<entry.end, with: new)
    for later in draft.entries.indices where draft.entries[later].begin >= entry.end {
      draft.entries[later].begin &+= new.count - old.count
      draft.entries[later].end &+= new.count - old.count
    }
    draft.entries[index].end = entry.begin + new.count
    draft.entries[index].shape[dimension] = wanted
    if wanted == 0 {
      // Nothing, in as many columns as one likes.
      if random.once(in: 2) { draft.entries[index].shape += [random.pick(interestingNumbers), 1 << 40] }
      if random.once(in: 4) { draft.entries.remove(at: index) }
    } else {
      repairHash(&draft, of: draft.entries[index], &random)
    }
  }

  /// The same bytes as elements of another type.
  private static func convert(_ draft: inout RecordDraft, _ index: Int, _ random: inout MutationRandom) {
    let type = random.pick(ElementType.allCases)
    let count = max(0, draft.entries[index].end &- draft.entries[index].begin) / type.byteCount
    draft.entries[index].type = type.rawValue
    draft.entries[index].shape = draft.entries[index].shape.count == 1 ? [count] : [count, 1]
    draft.entries[index].end = draft.entries[index].begin &+ count * type.byteCount
  }
}
