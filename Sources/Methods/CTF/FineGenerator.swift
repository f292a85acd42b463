import Autograd
import ImageModels
import TensorCore

/// CTF's second stage: draws the fine codes of all positions of an image in one pass of a ``FineModel``. Each
/// image is computed alone, and its products are cut in one way, whether one thread computes them or all do: its codes
/// depend only on its class, its coarse labels, the seed and its number, and not on the batch or the number of threads.
public final class FineGenerator {
  private let model: FineModel
  private let device: Device
  /// A device of one thread for each of the device's threads: as many images are computed at the same time.
  private let workers: [Device]
  /// All threads, for the images that are left.
  private let together: Device

  public init(_ model: FineModel) {
    self.model = model
    let device = model.store.device
    self.device = device
    workers = (0..<device.threads.count).map { _ in
      Device(threadCount: 1, precision: device.precision, productParts: .ofFixedSize)
    }
    together = Device(sharingThreadsOf: device, productParts: .ofFixedSize)
  }

  /// Draws the fine codes of each image.
  /// - Parameters:
  ///   - coarse: coarse labels [B, N], raster order.
  ///   - labels: the class of each image, `noClass` allowed.
  ///   - streams: the number of each image in the whole run; keys its random stream.
  ///   - guidance: scale of classifier-free guidance at all positions; 1 means no guidance.
  /// - Returns: fine codes [B, N].
  /// - Throws: ``GenerationError``.
  public func fill(
    coarse: [[Int]], labels: [Int], streams: [UInt64], guidance: Float = 1, draw: DrawOptions, seed: UInt64
  ) throws -> [[Int]] {
    precondition(
      coarse.count == labels.count && labels.count == streams.count,
      "fill: \(coarse.count) images, \(labels.count) labels, \(streams.count) streams")
    func codes(_ image: Int, _ device: Device) -> [Int?] {
      let random = CounterRandom(seed: seed, purpose: .fineSampling, index: streams[image])
      return fill(coarse[image], labels[image], guidance, draw, random, on: device)
    }
    var result = [[Int?]](repeating: [], count: coarse.count)
    let single = coarse.count / workers.count * workers.count
    result.withUnsafeMutableBufferPointer { result in
      let base = result.baseAddress
      device.threads.forRanges(single) { images, thread in
        for image in images { base?[image] = codes(image, workers[thread]) }
      }
    }
    for image in single..<coarse.count { result[image] = codes(image, together) }
    return try result.enumerated().map { image, codes in
      try codes.enumerated().map { position, code in
        guard let code else {
          throw GenerationError.notFinite(image: Int(streams[image] & 0xffff_ffff), position: position)
        }
        return code
      }
    }
  }

  /// The codes of an image, or nil if the logits are not finite.
  private func fill(
    _ coarse: [Int], _ label: Int, _ guidance: Float, _ draw: DrawOptions, _ random: CounterRandom,
    on device: Device
  ) -> [Int?] {
    var random = random
    let uniforms = coarse.map { _ in random.uniform() }
    let hidden = guidedHidden(coarse, label, guidance, device)
    var drawn = [Int?](repeating: nil, count: coarse.count)
    model.forEachCluster(hidden, coarse: coarse, on: device) { positions, codes, logits in
      for (row, position) in positions.enumerated() {
        let row = UnsafeMutableBufferPointer(start: logits.pointer + row * codes.count, count: codes.count)
        let rank = drawToken(row, draw, uniform: uniforms[position])
        drawn[position] = rank.map { codes[codes.startIndex + $0] }
      }
    }
    return drawn
  }

  /// Hidden states [N, C]. Logits are linear in them, so that guidance of the hidden states equals guidance
  /// of the logits and costs less.
  private func guidedHidden(_ coarse: [Int], _ label: Int, _ guidance: Float, _ device: Device) -> Tensor {
    let conditional = hidden(coarse, label, device)
    guard guidance != 1 else { return conditional }
    let free = hidden(coarse, model.configuration.noClass, device)
    for i in 0..<conditional.count {
      let (c, u) = (conditional.pointer[i], free.pointer[i])
      conditional.pointer[i] = u + guidance * (c - u)
    }
    return conditional
  }

  private func hidden(_ coarse: [Int], _ label: Int, _ device: Device) -> Tensor {
    let tape = Tape(device: device, isRecording: false)
    let hidden = model.hidden(tape, labels: [label], coarse: coarse).value
    return hidden.reshaped([coarse.count, model.configuration.width])
  }
}
