import COpenBLAS

/// Threads and pooled memory: makes tensors and runs parallel loops. A device is used by one thread at a
/// time.
public final class Device {
  /// The threads that parallel loops run on.
  public let threads: ThreadPool
  /// Where tensors get their memory.
  public let memory = MemoryPool()
  /// In which format large matrix products read their operands.
  public let precision: Precision
  #if OneDNN
    let bfloat16Product = BFloat16Product()
    let convolutions = ConvolutionByOneDNN()
  #else
    let convolutions = ConvolutionByPatches()
  #endif

  /// - Parameters:
  ///   - threadCount: threads of every parallel loop; at least 1.
  ///   - precision: the format of large matrix products; one that is not supported falls back to float32.
  public init(threadCount: Int, precision: Precision = .float32) {
    threads = ThreadPool(count: threadCount)
    self.precision = precision.isSupported ? precision : .float32
    // The libraries run on one thread each: every thread of the device calls them on its own part of the
    // work.
    openblas_set_num_threads(1)
  }

  /// A tensor whose elements are not yet set.
  public func empty(_ shape: [Int]) -> Tensor {
    precondition(shape.allSatisfy { $0 >= 0 }, "Device.empty: negative size in \(shape)")
    return Tensor(shape: shape, storage: TensorStorage(count: shape.reduce(1, *), pool: memory))
  }

  /// A tensor of one repeated value.
  public func full(_ shape: [Int], _ value: Float) -> Tensor {
    let tensor = empty(shape)
    tensor.pointer.update(repeating: value, count: tensor.count)
    return tensor
  }

  /// A tensor of zeros.
  public func zeros(_ shape: [Int]) -> Tensor { full(shape, 0) }

  /// A tensor that holds a copy of `elements`.
  public func tensor(_ elements: [Float], _ shape: [Int]) -> Tensor {
    let tensor = empty(shape)
    precondition(tensor.count == elements.count, "Device.tensor: \(elements.count) elements for \(shape)")
    elements.withUnsafeBufferPointer {
      if let base = $0.baseAddress { tensor.pointer.update(from: base, count: $0.count) }
    }
    return tensor
  }

  /// A copy with memory of its own.
  public func copy(_ other: Tensor) -> Tensor {
    let tensor = empty(other.shape)
    tensor.copyElements(from: other)
    return tensor
  }

  /// Runs `body` over disjoint ranges that cover `0..<count`, one range per thread.
  /// - Parameter grain: no range but the last is smaller; ranges start at multiples of it.
  public func forRanges(_ count: Int, grain: Int = 1, _ body: (Range<Int>) -> Void) {
    threads.forRanges(count, grain: grain) { range, _ in body(range) }
  }
}
