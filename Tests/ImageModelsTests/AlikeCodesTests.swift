import Autograd
@testable import ImageModels
import TensorCore
import Testing
import TestSupport

/// Guesses that count as right although another code was drawn.
@Suite struct AlikeCodesTests {
  let model = SpeculationTests().model
  let labels = [0, 1, 2, 3, 4, 0, 1, 2]

  func drawn(
    _ generator: TokenGenerator, images: [Int], window: Int, _ alike: AlikeCodes,
    draw: DrawOptions = DrawOptions(temperature: 0.7, topK: 30), kept: KeptTokens? = nil
  ) throws -> [[Int]] {
    try #require(
      try generator.generate(
        labels: images.map { labels[$0] }, imageIndices: images, guidance: Guidance(scale: 1.5), draw: draw,
        seed: 42, kept: kept, method: .gumbel, window: window, alike: alike))
  }

  static let kinds: [AlikeCodes] = [.blocks(of: 15, codes: 45), .ranks(15)]

  /// Where all codes are alike, every guess of an earlier pass is right, but none that is only a copy of a neighbour: a window of
  /// new places gives one token, and the window behind it four.
  @Test func onlyDrawnGuessesStand() throws {
    let draw = DrawOptions(temperature: 0.7)
    let all = Array(labels.indices)
    let exact = try drawn(TokenGenerator(model), images: all, window: 1, .none, draw: draw)
    let generator = TokenGenerator(model)
    let found = try drawn(generator, images: all, window: 4, .blocks(of: 45, codes: 45), draw: draw)
    #expect(found.map(\.[0]) == exact.map(\.[0]), "the first token is never a guess")
    // 1 + 4 + 1 + 4 + 1 + 1 of 12 tokens in six passes; a copy that happens to be drawn saves more.
    #expect((2...2.6).contains(try #require(generator.tokensPerPass)))
  }

  @Test(arguments: kinds) func groupsSavePasses(alike: AlikeCodes) throws {
    let (exact, grouped) = (TokenGenerator(model), TokenGenerator(model))
    let all = Array(labels.indices)
    let one = try drawn(exact, images: all, window: 12, .none)
    let other = try drawn(grouped, images: all, window: 12, alike)
    #expect(try #require(grouped.tokensPerPass) > #require(exact.tokensPerPass) && other != one)
  }

  /// Groups of single codes, one place per pass and the most probable token leave nothing to choose.
  @Test func whatLeavesNoChoiceIsExact() throws {
    let all = Array(labels.indices)
    let exact = try drawn(TokenGenerator(model), images: all, window: 1, .none)
    let single = AlikeCodes.blocks(of: 1, codes: 45)
    for (window, alike) in [(4, single), (4, .ranks(1)), (1, Self.kinds[0]), (1, Self.kinds[1])] {
      #expect(try drawn(TokenGenerator(model), images: all, window: window, alike) == exact, "\(window)")
    }
    for draw in [DrawOptions(temperature: 0), DrawOptions(topK: 1)] {
      let best = try drawn(TokenGenerator(model), images: all, window: 1, .none, draw: draw)
      for alike in Self.kinds {
        #expect(try drawn(TokenGenerator(model), images: all, window: 4, alike, draw: draw) == best)
      }
    }
  }

  /// Every token lies in the group of what the model draws there behind the tokens before it. One place per pass with the
  /// tokens so far kept says what that is.
  @Test func everyTokenIsAlikeToADrawnOne() throws {
    let clusters = (0..<45).map { $0 * 7 % 45 / 9 }
    let found = try drawn(TokenGenerator(model), images: [0, 1], window: 4, .clusters(clusters))
    for position in 0..<12 {
      let kept = KeptTokens(found, isKept: (0..<12).map { $0 < position }, fillings: 1)
      let again = try drawn(TokenGenerator(model), images: [0, 1], window: 1, .none, kept: kept)
      for image in 0..<2 {
        #expect(clusters[found[image][position]] == clusters[again[image][position]], "\(image), \(position)")
      }
    }
  }

  @Test(arguments: kinds) func anImageDoesNotDependOnItsBatch(alike: AlikeCodes) throws {
    let all = try drawn(TokenGenerator(model), images: Array(labels.indices), window: 3, alike)
    for image in [2, 7] {
      #expect(try drawn(TokenGenerator(model), images: [image], window: 3, alike) == [all[image]])
    }
  }

  /// A guess that the filters leave out is not taken: every token is one of the two most probable behind those before it.
  @Test(arguments: [AlikeCodes.blocks(of: 45, codes: 45), .ranks(45)]) func filtersHold(alike: AlikeCodes)
    throws
  {
    let found = try #require(
      try TokenGenerator(model).generate(
        labels: labels, imageIndices: Array(labels.indices), guidance: Guidance(scale: 1),
        draw: DrawOptions(topK: 2), seed: 42, method: .gumbel, window: 4, alike: alike))
    let tape = Tape(device: model.store.device, isRecording: false)
    let logits = model.logits(tape, labels: labels, tokens: found.flatMap { $0 }).value.toArray()
    for (place, token) in found.joined().enumerated() {
      let row = logits[place * 45..<(place + 1) * 45]
      #expect(row.filter { $0 > row[row.startIndex + token] + 1e-4 }.count < 2, "place \(place)")
    }
  }

  @Test func keptTokensStay() throws {
    let given = [[Int](0..<12), [Int](12..<24)]
    let isKept = (0..<12).map { $0 < 5 || $0 == 8 }
    let found = try drawn(
      TokenGenerator(model), images: [0, 1], window: 4, .blocks(of: 45, codes: 45),
      kept: KeptTokens(given, isKept: isKept, fillings: 1))
    for image in 0..<2 {
      for position in 0..<12 where isKept[position] {
        #expect(found[image][position] == given[image][position])
      }
    }
  }
}
