import Datasets
import Foundation
import Images
import Synchronization
import TensorCore
import Testing
import TestSupport

/// What is read ahead comes in order, is one batch at most, and ends with the work.
@Suite struct ReadAheadTests {
  private func batches(_ count: Int, of size: Int) -> [Range<Int>] {
    (0..<count).map { $0 * size..<($0 + 1) * size }
  }

  @Test(arguments: 1...5, [1, 3, 20]) func everyBatchComesOnceAndInOrder(readers: Int, size: Int) throws {
    let end = 7 * size
    let all = batches(7, of: size) + [end..<end, end..<end + 2]
    var seen: [Range<Int>] = []
    try ReadAhead(readers: readers).forEach(all, read: { $0 * $0 }) { items, values in
      seen.append(items)
      #expect(values == items.map { $0 * $0 })
    }
    #expect(seen == all)
    try ReadAhead(readers: readers).forEach([], read: { $0 }) { items, _ in seen.append(items) }
    #expect(seen == all)
  }

  @Test func noMoreThanOneBatchIsReadAhead() throws {
    let ended = Atomic<Int>(0)
    let tooEarly = Atomic<Int>(0)
    let count = Atomic<Int>(0)
    try ReadAhead(readers: 3).forEach(
      batches(20, of: 4),
      read: { item in
        count.add(1, ordering: .relaxed)
        // While the work on a batch runs, the next one may be read.
        if item / 4 > ended.load(ordering: .relaxed) + 1 { tooEarly.add(1, ordering: .relaxed) }
        return item
      }
    ) { _, _ in
      usleep(1000)
      ended.add(1, ordering: .relaxed)
    }
    #expect(count.load(ordering: .relaxed) == 80 && tooEarly.load(ordering: .relaxed) == 0)
  }

  /// The work waits until an item of the next batch is being read: it would wait in vain if reading began after it.
  @Test(arguments: [1, 3]) func theNextBatchIsReadDuringTheWork(readers: Int) throws {
    let begun = Atomic<Int>(-1)
    var readAhead: [Int] = []
    try ReadAhead(readers: readers).forEach(
      batches(6, of: 2),
      read: { item in
        begun.store(item / 2, ordering: .relaxed)
        return item
      }
    ) { items, _ in
      let next = items.lowerBound / 2 + 1
      let end = ContinuousClock.now + .seconds(next < 6 ? 30 : 0)
      while begun.load(ordering: .relaxed) < next, ContinuousClock.now < end { usleep(100) }
      if begun.load(ordering: .relaxed) == next { readAhead.append(next) }
    }
    #expect(readAhead == Array(1...5))
  }

  private struct Unreadable: Error, Equatable {
    let item: Int
  }

  @Test func anErrorArrivesInItsPlace() throws {
    var worked: [Int] = []
    #expect(throws: Unreadable(item: 7)) {
      try ReadAhead(readers: 4).forEach(
        batches(6, of: 3),
        read: { item -> Result<Int, Unreadable> in
          [7, 8, 9].contains(item) ? .failure(Unreadable(item: item)) : .success(item)
        }
      ) { _, results in
        for result in results { worked.append(try result.get()) }
      }
    }
    #expect(worked == Array(0..<7))
  }

  @Test func workThatFailsStopsTheReading() throws {
    let size = 10_000
    let count = Atomic<Int>(0)
    #expect(throws: Unreadable.self) {
      try ReadAhead(readers: 2).forEach(
        batches(3, of: size),
        read: { item in
          count.add(1, ordering: .relaxed)
          // Two threads would take five seconds for the second batch.
          if item >= size { usleep(1000) }
          return item
        }
      ) { items, _ in throw Unreadable(item: items.lowerBound) }
    }
    let atTheEnd = count.load(ordering: .relaxed)
    #expect(size <= atTheEnd && atTheEnd < 2 * size)
    usleep(20_000)
    #expect(count.load(ordering: .relaxed) == atTheEnd)
  }

  @Test func viewsDoNotDependOnThreads() throws {
    let folder = try TemporaryFolder()
    let entries = try (0..<11).map { number in
      let side = 20 + number
      let pixels = (0..<side * side * 3).map { UInt8(truncatingIfNeeded: $0 * (number + 3)) }
      let png = try PNGEncoder.encode(RGBImage(width: side, height: side, pixels: pixels))
      let path = folder.path("\(number).png")
      try Data(png.dropLast(number == 6 ? 30 : 0)).write(to: URL(filePath: path))
      return ImageListing.Entry(path: path, label: 0)
    }
    let images = ImageDataset(
      ImageListing(classNames: ["a"], entries: entries),
      ImageReading(size: 16, views: .randomCrops(RandomCrops(count: 2, seed: 3))))
    let expected = images.views(of: Array(entries.indices), on: Device(threadCount: 1))
    #expect(expected.indices.filter { (try? expected[$0].get()) == nil } == [6])
    for readers in [1, 2, 5] {
      for size in [1, 4, 64] {
        var found: [Result<[RGBImage], ImageError>] = []
        let batches = stride(from: 0, to: 11, by: size).map { $0..<min($0 + size, 11) }
        try images.forEachBatch(batches, readers: readers) { found += $1 }
        #expect(found == expected, "\(readers) readers, batches of \(size)")
      }
    }
  }
}
