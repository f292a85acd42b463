@testable import TensorCore
import Testing
import TestSupport

/// Pooled memory and the tensors in it.
@Suite struct MemoryTests {
  @Test func sizeClassesAreCloseAndOrdered() {
    var last = 0
    for bytes in Array(0...5000) + [65_535, 65_536, 65_537, 1_000_001, 1 << 30, (1 << 30) + 1] {
      let size = MemoryPool.sizeClass(bytes)
      #expect(size >= bytes && size % 256 == 0 && size >= last)
      // Eight classes to a power of two waste at most an eighth, above the smallest sizes.
      #expect(size <= max(256, bytes + max(256, bytes / 8)), "\(size) for \(bytes)")
      #expect(MemoryPool.sizeClass(size) == size)
      last = size
    }
  }

  @Test func blocksAreReusedAndAligned() {
    let device = Device(threadCount: 1)
    var tensor: Tensor? = device.empty([1000])
    let address = tensor!.pointer
    #expect(UInt(bitPattern: address) % 64 == 0)
    let held = device.memory.bytesHeld
    tensor = nil
    let again = device.empty([10, 100])
    #expect(again.pointer == address && device.memory.bytesHeld == held)
    let other = device.empty([1000])
    #expect(other.pointer != address && device.memory.bytesHeld == 2 * held)
  }

  @Test func aFreeBlockServesRequestsOfTwoThirdsOfItsSize() {
    let device = Device(threadCount: 1)
    var tensor: Tensor? = device.empty([3 << 10])
    let (address, held) = (tensor!.pointer, device.memory.bytesHeld)
    tensor = nil
    tensor = device.empty([2 << 10])
    #expect(tensor!.pointer == address && device.memory.bytesHeld == held)
    // It comes back as what it is.
    tensor = nil
    let whole = device.empty([3 << 10])
    #expect(whole.pointer == address && device.memory.bytesHeld == held)
    device.memory.trim()
    #expect(device.memory.bytesHeld == held)
  }

  @Test func aFreeBlockIsNotWastedOnLess() {
    let device = Device(threadCount: 1)
    var tensor: Tensor? = device.empty([3 << 10])
    let (address, held) = (tensor!.pointer, device.memory.bytesHeld)
    tensor = nil
    let small = device.empty([(2 << 10) - 256])
    #expect(small.pointer != address && device.memory.bytesHeld == held + 4 * ((2 << 10) - 256))
    device.memory.trim()
    #expect(device.memory.bytesHeld == 4 * ((2 << 10) - 256))
  }

  @Test func steadyStepsHoldConstantMemory() {
    let device = Device(threadCount: 2)
    func step() {
      let a = device.full([300, 40], 1)
      let b = device.copy(a)
      _ = device.zeros([40, 40])
      _ = b.reshaped([12000])
    }
    step()
    let held = device.memory.bytesHeld
    for _ in 0..<100 { step() }
    #expect(device.memory.bytesHeld == held)
    device.memory.trim()
    #expect(device.memory.bytesHeld == 0)
  }

  @Test func tensorsOutliveTheirDevice() {
    var device: Device? = Device(threadCount: 2)
    let tensor = device!.tensor([1, 2, 3], [3])
    device = nil
    #expect(tensor.toArray() == [1, 2, 3])
  }

  @Test func tensorsShareAndCopy() {
    let device = Device(threadCount: 1)
    let a = device.tensor([1, 2, 3, 4, 5, 6], [2, 3])
    let view = a.reshaped([3, 2])
    let copy = device.copy(a)
    a.pointer[0] = 9
    #expect(view.toArray()[0] == 9 && copy.toArray() == [1, 2, 3, 4, 5, 6])
    #expect(a.rowCount == 2 && a.lastDimension == 3 && view.rowCount == 3)
    var (alone, shared) = (device.zeros([1]), device.zeros([1]))
    let handle = shared
    let (first, second) = (alone.isUniquelyReferenced(), shared.isUniquelyReferenced())
    #expect(first && !second && handle.scalar == 0)
    #expect(device.zeros([]).count == 1 && device.zeros([0, 3]).rowCount == 0)
    #expect(device.zeros([3, 0]).toArray() == [])
  }

  @Test func finiteMeansEveryElement() {
    let device = Device(threadCount: 1)
    for count in [1, 7, 16, 100] {
      let numbers = (0..<count).map { Float($0) - 3 }
      #expect(device.tensor(numbers, [count]).isFinite)
      for other in [Float.nan, -Float.nan, .signalingNaN, .infinity, -.infinity] {
        for place in [0, count / 2, count - 1] {
          var some = numbers
          some[place] = other
          #expect(!device.tensor(some, [count]).isFinite, "\(other) at \(place) of \(count)")
        }
      }
    }
    #expect(device.tensor([Float.greatestFiniteMagnitude, -.leastNonzeroMagnitude, -0.0], [3]).isFinite)
  }
}
