import Autograd
import Codebooks
import NeuralNet
import TensorCore

/// VAR's multi-scale residual quantiser: an image is a sum of enlarged grids of codes, of which each corrects what the
/// smaller ones have left (VAR, section 3.2, algorithms 1 and 2).
///
/// Tokens of several images stand image after image, those of an image scale after scale, those of a scale row by row.
public struct MultiScaleQuantizer: LatentQuantizer {
  /// Scales and convolutions.
  public let configuration: MultiScaleConfiguration
  private let codebook: Variable
  private let phis: [ConvolutionLayer]

  /// Declares the convolutions phi under the names of VAR's checkpoints.
  init(
    _ configuration: MultiScaleConfiguration, codebook: Variable, in store: ParameterStore,
    _ freezing: Freezing
  ) {
    (self.configuration, self.codebook) = (configuration, codebook)
    let width = codebook.shape[1]
    phis = configuration.phiNames.map { store.convolution($0, width, width, freezing) }
  }

  /// Declares the codebook and the convolutions, which a file or a tokenizer is to fill once, before their first use: for
  /// a model that holds those of its tokenizer.
  public init(_ configuration: MultiScaleConfiguration, codes: Int, dimension: Int, in store: ParameterStore)
  {
    let freezing = Freezing()
    freezing.isFrozen = true
    let codebook = store.declare(Tokenizer.codebookName, [codes, dimension], .zeros)
    self.init(configuration, codebook: codebook, in: store, freezing)
  }

  private var scales: [Int] { configuration.scales }
  private var side: Int { configuration.side }
  private var width: Int { codebook.shape[1] }

  // MARK: From latents to tokens

  /// Finds the tokens of latents [B, h, w, d], with the losses of training.
  ///
  /// The losses are means over the scales: the sum of the codes so far against the latents. Codebook and phi get their
  /// gradients from them alone; the decoder's gradient goes straight to the latents. The search and the rest that a scale
  /// leaves to the next pass none.
  /// - Precondition: no entropy terms, which VAR does not have.
  func quantize(_ tape: Tape, _ latents: Variable, entropy: EntropyTerm? = nil) -> QuantizedLatents {
    precondition(entropy == nil, "MultiScaleQuantizer: entropy terms")
    let count = latents.shape[0]
    precondition(
      latents.shape == [count, side, side, width], "MultiScaleQuantizer: latents \(latents.shape)")
    let quiet = Tape(device: tape.device, isRecording: false)
    let search = NearestCode(compared(quiet, codebook).value, on: tape.device)
    var rest = latents.detached()
    var sum: Variable?
    var (tokens, searched): ([[Int]], [Tensor]) = ([], [])
    var (codebookLosses, commitmentLosses): ([Variable], [Variable]) = ([], [])
    for scale in scales.indices {
      let shrunk = resized(quiet, rest, to: scales[scale], .area)
      let rows = shrunk.value.reshaped([shrunk.value.count / width, width])
      let found = search.indices(of: compared(quiet, Variable(rows)).value)
      let part = image(tape, of: found, count: count, scale: scale)
      let total = sum.map { tape.add($0, part) } ?? part
      codebookLosses.append(tape.meanError(total, latents.detached()))
      commitmentLosses.append(tape.meanError(total.detached(), latents))
      rest = quiet.combination(1, rest, -1, part.detached())
      sum = total
      tokens.append(found)
      searched.append(rows)
    }
    guard let sum else { preconditionFailure("MultiScaleQuantizer: no scales") }
    let share = 1 / Float(scales.count)
    return QuantizedLatents(
      vectors: tape.straightThrough(value: sum, gradientTo: latents), indices: imageAfterImage(tokens, count),
      searched: tape.device.joinedRows(searched),
      codebookLoss: tape.weightedSum(codebookLosses.map { ($0, share) }),
      commitmentLoss: tape.weightedSum(commitmentLosses.map { ($0, share) }))
  }

  /// What the search would see at all scales if there were a code for each vector, rows [n, d]: for a codebook that is
  /// still to start.
  func vectorsToQuantize(_ tape: Tape, _ latents: Variable) -> Tensor {
    var rest = latents.detached()
    var rows: [Tensor] = []
    for scale in scales.indices {
      let shrunk = resized(tape, rest, to: scales[scale], .area)
      rows.append(shrunk.value.reshaped([shrunk.value.count / width, width]))
      rest = tape.combination(1, rest, -1, spread(tape, shrunk, scale: scale))
    }
    return tape.device.joinedRows(rows)
  }

  func comparable(_ tape: Tape, _ latents: Variable) -> Variable { latents }

  func indices(of latents: Tensor, on device: Device) -> [Int] {
    quantize(Tape(device: device, isRecording: false), Variable(latents)).indices
  }

  // MARK: From tokens to latents

  /// The sum of the codes of images' tokens, [B, h, w, d].
  /// - Parameter scaleCount: how many of the scales are summed, from the first on; all if it is nil.
  public func latents(_ tape: Tape, of tokens: [Int], scaleCount: Int? = nil) -> Variable {
    let (byScale, count) = scaleAfterScale(tokens)
    let parts = byScale.prefix(scaleCount ?? scales.count).enumerated().map {
      image(tape, of: $0.element, count: count, scale: $0.offset)
    }
    return parts.dropFirst().reduce(parts[0]) { tape.add($0, $1) }
  }

  /// What one scale adds, [B, h, w, d]; its tokens stand image after image.
  public func image(_ tape: Tape, of tokens: [Int], count: Int, scale: Int) -> Variable {
    let n = scales[scale]
    let codes = tape.reshape(tape.embedding(tokens, table: codebook), [count, n, n, width])
    return spread(tape, codes, scale: scale)
  }

  /// The sum of the scales so far, [B, h, w, d], as the next scale of a model sees it: [B, n * n, d], n its side.
  public func input(_ tape: Tape, toScale scale: Int, from sum: Variable) -> Variable {
    let n = scales[scale]
    return tape.reshape(resized(tape, sum, to: n, .area), [sum.shape[0], n * n, width])
  }

  /// What a model that predicts scale by scale sees of images' tokens: before each scale but the first, the sum of the
  /// scales before it, shrunk to its size; all of them one after the other, [B, L - n0 * n0, d].
  public func inputs(_ tape: Tape, of tokens: [Int]) -> Tensor {
    let (byScale, count) = scaleAfterScale(tokens)
    let first = scales[0] * scales[0]
    let y = tape.device.empty([count, configuration.tokenCount - first, width])
    var sum: Variable?
    for scale in 1..<scales.count {
      let part = image(tape, of: byScale[scale - 1], count: count, scale: scale - 1)
      let total = sum.map { tape.add($0, part) } ?? part
      sum = total
      let next = input(tape, toScale: scale, from: total).value
      let (size, place) = (next.count / count, configuration.offsets[scale] - first)
      for image in 0..<count {
        (y.pointer + (image * y.shape[1] + place) * width).update(
          from: next.pointer + image * size, count: size)
      }
    }
    return y
  }

  // MARK: Parts

  /// Codes [B, n, n, d] of a scale at full size, after phi.
  private func spread(_ tape: Tape, _ codes: Variable, scale: Int) -> Variable {
    let enlarged = resized(tape, codes, to: side, .bicubic)
    guard let phi = configuration.phi(ofScale: scale) else { return enlarged }
    let ratio = Float(configuration.residualRatio)
    return tape.combination(1 - ratio, enlarged, ratio, phis[phi].apply(enlarged, tape))
  }

  private func resized(_ tape: Tape, _ x: Variable, to n: Int, _ kind: Interpolation) -> Variable {
    x.shape[1] == n ? x : tape.interpolate(x, height: n, width: n, kind)
  }

  /// What vectors and codes are compared by.
  private func compared(_ tape: Tape, _ x: Variable) -> Variable {
    configuration.comparesByCosine ? tape.l2Normalize(x) : x
  }

  private func imageAfterImage(_ tokens: [[Int]], _ count: Int) -> [Int] {
    (0..<count).flatMap { image in
      tokens.flatMap { ofScale in
        let size = ofScale.count / count
        return ofScale[image * size..<(image + 1) * size]
      }
    }
  }

  private func scaleAfterScale(_ tokens: [Int]) -> (tokens: [[Int]], count: Int) {
    let (length, offsets) = (configuration.tokenCount, configuration.offsets)
    precondition(
      tokens.count % length == 0, "MultiScaleQuantizer: \(tokens.count) tokens, \(length) an image")
    let count = tokens.count / length
    let byScale = scales.indices.map { scale in
      (0..<count).flatMap { tokens[$0 * length + offsets[scale]..<$0 * length + offsets[scale + 1]] }
    }
    return (byScale, count)
  }
}

extension MultiScaleConfiguration {
  /// Names of the convolutions phi as in VAR's checkpoints.
  public var phiNames: [String] {
    let base = "quantize.quant_resi"
    return switch (convolutionCount, phiCount) {
    case (0, _): []
    case (let count, 0): (0..<count).map { "\(base).\($0)" }
    case (_, 1): [base + ".qresi"]
    case (let count, _): (0..<count).map { "\(base).qresi_ls.\($0)" }
    }
  }
}

extension Device {
  /// The rows of some tensors [n, d] one after the other.
  fileprivate func joinedRows(_ parts: [Tensor]) -> Tensor {
    let y = empty([parts.reduce(0) { $0 + $1.shape[0] }, parts[0].shape[1]])
    var place = y.pointer
    for part in parts {
      place.update(from: part.pointer, count: part.count)
      place += part.count
    }
    return y
  }
}
