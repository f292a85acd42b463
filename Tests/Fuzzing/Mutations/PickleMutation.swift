/// Changes of pickles: opcodes and arguments put between and over others.
enum PickleMutation {
  static func mutate(_ seed: [UInt8], with random: inout MutationRandom, other: [UInt8] = []) -> [UInt8] {
    ByteMutation.mutate(seed, with: &random, words: words, other: other)
  }

  /// Opcodes with arguments, and the names that readers know.
  private static let words: [[UInt8]] =
    [
      "(", ")", "]", "}", "t", "l", "d", "0", "1", "2", "N", ".", "R", "b", "a", "e", "s", "u", "Q", "\u{85}",
      "\u{86}",
      "K\u{7F}", "J\u{7F}", "h\0", "q\0", "r\0\0\0\0", "j\0\0\0\0", "\u{94}", "\u{93}", "\u{81}", "M\0\u{1}",
      "I01\n", "L9L\n",
      "cos\nsystem\n", "ctorch._utils\n_rebuild_tensor_v2\n", "ccollections\nOrderedDict\n",
      "ctorch\nFloatStorage\n",
      "cnumpy.core.multiarray\n_reconstruct\n", "cnumpy\ndtype\n", "cnumpy\nndarray\n", "X\u{3}\0\0\0abc",
      "U\u{1}a", "V\\u0041\n",
    ].map { $0.unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) } }
    + [
      [0x8A, 8, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F], [0x8A, 8, 0, 0, 0, 0, 0, 0, 0, 0x80],
      [0x8A, 0xFF],
      [0x8B, 0xFF, 0xFF, 0xFF, 0x7F], [0x95, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F],
      [0x42, 0xFF, 0xFF, 0xFF, 0x7F],
      [0x8E, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF], [0x8C, 1, 0xFF],
      [0x47, 0x7F, 0xF8, 0, 0, 0, 0, 0, 0],
      [0x80, 2], [0x80, 0xFF], [0x96, 0, 0, 0, 0, 0, 0, 0, 0x40], [0x97], [0x98], [0x8F], [0x90], [0x91],
      [0x92],
    ]
}
