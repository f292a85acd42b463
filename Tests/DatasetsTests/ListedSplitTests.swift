@testable import Datasets
import StreamFormat
import Testing

/// A skipped image moves no other image to the other side of the split.
@Suite struct ListedSplitTests {
  private func data(skipped: [UInt32], of listed: Int) -> TokenDataset {
    let header = TokenHeader(vocabSize: 100, rows: 1, columns: 1, codebookSHA256: "c", classCount: 100)
    let places = (0..<UInt32(listed)).filter { !skipped.contains($0) }
    return TokenDataset(TokenBatch(header: header, tokens: places, labels: places, skipped: skipped))
  }

  @Test(arguments: [[], [0], [3, 4, 99], [50]] as [[UInt32]]) func theSameImagesAreHeldOut(skipped: [UInt32])
    throws
  {
    let whole = try HeldOutSplit(count: 100, fraction: 0.25, seed: 7)
    let data = data(skipped: skipped, of: 100)
    let split = try HeldOutSplit(of: data, fraction: 0.25, seed: 7)
    let present = Set(data.labels)
    #expect(split.heldOut.map { data.labels[$0] } == whole.heldOut.filter(present.contains))
    #expect(split.training.map { data.labels[$0] } == whole.training.filter(present.contains))
  }

  @Test func nothingLeftToTrainOn() throws {
    let whole = try HeldOutSplit(count: 4, fraction: 0.5, seed: 1)
    #expect(throws: DatasetError.self) {
      try HeldOutSplit(listed: 4, present: whole.heldOut, fraction: 0.5, seed: 1)
    }
  }

  @Test func theHashIsOfTokensAndLabels() {
    let data = data(skipped: [], of: 3)
    var bytes: [UInt8] = []
    for token in 0..<UInt32(3) { withUnsafeBytes(of: token.littleEndian) { bytes += $0 } }
    for label in 0..<3 { withUnsafeBytes(of: label.littleEndian) { bytes += $0 } }
    #expect(data.sha256 == SHA256Hasher.hex(of: bytes))
  }

  @Test func labelsCanBeThoseOfAnotherFile() {
    let data = data(skipped: [], of: 3).relabelled([9, 8, 7])
    #expect(data.labels == [9, 8, 7] && data.tokens(item: 2, view: 0).first == 2)
  }
}
