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
  /// How matrix products are cut into parts for the threads.
  public let productParts: ProductParts
  #if OneDNN
    let bfloat16Product = BFloat16Product()
    let convolutions = ConvolutionByOneDNN()
  #else
    let convolutions = ConvolutionByPatches()
  #endif

  /// Ways to cut a matrix product into parts, each of which one thread computes.
  public enum ProductParts: Sendable {
    /// One part per thread: the fastest.
    case onePerThread
    /// Parts of a size that does not depend on the number of threads; neither do the bytes of the product.
    case ofFixedSize
  }

  /// - Parameters:
  ///   - threadCount: threads of every parallel loop; at least 1.
  ///   - precision: the format of large matrix products; one that is not supported falls back to float32.
  public convenience init(
    threadCount: Int, precision: Precision = .float32, productParts: ProductParts = .onePerThread
  ) {
    self.init(ThreadPool(count: threadCount), precision, productParts)
  }

  /// A device that has the threads of another one, and cuts products in its own way. Only one of both works at a time.
  public convenience init(sharingThreadsOf other: Device, productParts: ProductParts) {
    self.init(other.threads, other.precision, productParts)
  }

  private init(_ threads: ThreadPool, _ precision: Precision, _ productParts: ProductParts) {
    (self.threads, self.productParts) = (threads, productParts)
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
