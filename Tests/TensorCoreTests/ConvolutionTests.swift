@testable import TensorCore
import Testing
import TestSupport

/// One convolution to test: sizes that divide nothing evenly.
struct ConvolutionCase: Sendable, CustomTestStringConvertible {
  var batch: Int
  var height: Int
  var width: Int
  var geometry: ConvolutionGeometry

  var testDescription: String {
    let g = geometry
    return
      "\(batch)x\(height)x\(width)x\(g.inChannels) to \(g.outChannels), \(g.kernel)/\(g.stride), \(g.padBefore)+\(g.padAfter)"
  }

  static let all: [ConvolutionCase] = [1, 2, 5].flatMap { batch in
    [(1, 1, 0, 0), (3, 1, 1, 1), (3, 2, 0, 1), (3, 2, 1, 1), (3, 1, 0, 2), (1, 2, 0, 0)].flatMap { window in
      [(5, 7, 3, 4), (8, 8, 16, 17)].map { (h, w, i, o) in
        ConvolutionCase(
          batch: batch, height: h, width: w,
          geometry: ConvolutionGeometry(
            inChannels: i, outChannels: o, kernel: window.0, stride: window.1, padBefore: window.2,
            padAfter: window.3))
      }
    }
  }

  var outHeight: Int { geometry.outputSize(height) }
  var outWidth: Int { geometry.outputSize(width) }
  var input: [Float] { normals(batch * height * width * geometry.inChannels, 100) }
  var weight: [Float] { normals(geometry.weightCount, 101) }
  var bias: [Float] { normals(geometry.outChannels, 102) }
  var outputGradient: [Float] { normals(batch * outHeight * outWidth * geometry.outChannels, 103) }

  /// Calls `body(input, weight, output)` with the place of each product.
  func forEachProduct(_ body: (Int, Int, Int) -> Void) {
    let g = geometry
    for b in 0..<batch {
      for oy in 0..<outHeight {
        for ox in 0..<outWidth {
          for ky in 0..<g.kernel {
            for kx in 0..<g.kernel {
              let (y, x) = (oy * g.stride + ky - g.padBefore, ox * g.stride + kx - g.padBefore)
              guard (0..<height).contains(y), (0..<width).contains(x) else { continue }
              for o in 0..<g.outChannels {
                for i in 0..<g.inChannels {
                  body(
                    ((b * height + y) * width + x) * g.inChannels + i,
                    ((o * g.inChannels + i) * g.kernel + ky) * g.kernel + kx,
                    ((b * outHeight + oy) * outWidth + ox) * g.outChannels + o)
                }
              }
            }
          }
        }
      }
    }
  }
}

/// Both implementations against the seven loops of the definition, in double.
@Suite struct ConvolutionTests {
  @Test(arguments: ConvolutionCase.all) func forward(_ c: ConvolutionCase) {
    let (input, weight, bias) = (c.input, c.weight, c.bias)
    var exact = c.outputGradient.indices.map { ExactSum(Double(bias[$0 % c.geometry.outChannels])) }
    c.forEachProduct { exact[$2].add(Double(input[$0]) * Double(weight[$1])) }
    let roundings = Double(c.geometry.weightCount / c.geometry.outChannels) + 4
    for threads in 1...3 {
      let device = Device(threadCount: threads)
      let x = device.tensor(input, [c.batch, c.height, c.width, c.geometry.inChannels])
      let (w, b) = (device.tensor(weight, weightShape(c)), device.tensor(bias, [bias.count]))
      for training in [false, true] {
        let y = device.convolve(x, weight: w, bias: b, c.geometry, training: training)
        #expect(y.shape == [c.batch, c.outHeight, c.outWidth, c.geometry.outChannels])
        expectWithin(y.toArray(), exact, roundings: roundings, "\(threads) threads, training \(training)")
      }
      let y = device.empty([c.batch, c.outHeight, c.outWidth, c.geometry.outChannels])
      ConvolutionByPatches().forward(
        device, input: device.convolutionInput(x), weight: w, bias: b, output: y, c.geometry, training: false)
      expectWithin(y.toArray(), exact, roundings: roundings, "by patches, \(threads) threads")
    }
  }

  @Test(arguments: ConvolutionCase.all) func backward(_ c: ConvolutionCase) {
    let (input, weight, dy) = (c.input, c.weight, c.outputGradient)
    // The gradients of weight and bias are added to what is there.
    let (oldWeight, oldBias) = (normals(weight.count, 104), normals(c.geometry.outChannels, 105))
    var exact = (
      input: [ExactSum](repeating: ExactSum(), count: input.count),
      weight: oldWeight.map { ExactSum(Double($0)) }, bias: oldBias.map { ExactSum(Double($0)) }
    )
    for i in dy.indices { exact.bias[i % oldBias.count].add(Double(dy[i])) }
    c.forEachProduct {
      exact.input[$0].add(Double(weight[$1]) * Double(dy[$2]))
      exact.weight[$1].add(Double(input[$0]) * Double(dy[$2]))
    }
    for threads in 1...3 {
      for byPatches in [false, true] {
        let device = Device(threadCount: threads)
        let x = device.tensor(input, [c.batch, c.height, c.width, c.geometry.inChannels])
        let d = device.tensor(dy, [c.batch, c.outHeight, c.outWidth, c.geometry.outChannels])
        let w = device.tensor(weight, weightShape(c))
        let (dw, db) = (device.tensor(oldWeight, weightShape(c)), device.tensor(oldBias, [oldBias.count]))
        var dx = device.full(x.shape, .nan)
        if byPatches {
          ConvolutionByPatches().backward(
            device, outputGradient: d, input: device.convolutionInput(x), weight: w, c.geometry,
            inputGradient: dx, weightGradient: dw, biasGradient: db)
        } else {
          dx = device.convolveBackward(
            d, input: device.convolutionInput(x), weight: w, c.geometry, weightGradient: dw, biasGradient: db,
            needsInputGradient: true)!
        }
        let what = "\(threads) threads, by patches \(byPatches)"
        let pixels = Double(c.batch * c.outHeight * c.outWidth) + 8
        expectWithin(
          dx.toArray(), exact.input, roundings: Double(c.geometry.weightCount), floor: 1e-30,
          "d input, " + what)
        expectWithin(dw.toArray(), exact.weight, roundings: pixels, "d weight, " + what)
        expectWithin(db.toArray(), exact.bias, roundings: pixels, "d bias, " + what)
      }
    }
  }

  /// A shape that some processors compute by patches where the weights are kept: the same numbers, whatever the threads.
  @Test(arguments: [ConvolutionWeights.Activation.none, .relu])
  func keptWeightsOfWideImages(activation: ConvolutionWeights.Activation) {
    let geometry = ConvolutionGeometry(inChannels: 64, outChannels: 72, kernel: 3)
    var whole: [Float]?
    for threads in 1...3 {
      let device = Device(threadCount: threads)
      let x = device.tensor(normals(2 * 32 * 40 * 64, 110), [2, 32, 40, 64])
      let weight = device.tensor(normals(geometry.weightCount, 111), geometry.weightShape)
      let bias = device.tensor(normals(72, 112), [72])
      let kept = ConvolutionWeights(geometry, weight: weight, bias: bias, activation: activation)
      var plain = device.convolve(x, weight: weight, bias: bias, geometry).toArray()
      if activation == .relu { plain = plain.map { max($0, 0) } }
      for _ in 0..<2 {
        let found = device.convolve(x, kept).toArray()
        expectClose(found, plain, relativeToNorm: 64 * 9 * unitRoundoff, floor: 1e-6, "\(threads) threads")
        let isSame = found == (whole ?? found)
        #expect(isSame, "\(threads) threads")
        whole = found
      }
    }
  }

  /// The gradient of the input without those of the parameters, and by weights that are not trained.
  @Test(arguments: ConvolutionCase.all) func theInputsGradientAlone(_ c: ConvolutionCase) {
    let device = Device(threadCount: 2)
    let x = device.tensor(c.input, [c.batch, c.height, c.width, c.geometry.inChannels])
    let dy = device.tensor(c.outputGradient, [c.batch, c.outHeight, c.outWidth, c.geometry.outChannels])
    let (w, b) = (device.tensor(c.weight, weightShape(c)), device.tensor(c.bias, [c.geometry.outChannels]))
    let whole = device.convolveBackward(
      dy, input: device.convolutionInput(x), weight: w, c.geometry, weightGradient: device.zeros(w.shape),
      biasGradient: device.zeros(b.shape), needsInputGradient: true)!
    let alone = device.convolveBackward(
      dy, input: device.convolutionInput(x), weight: w, c.geometry, weightGradient: nil, biasGradient: nil,
      needsInputGradient: true)!
    #expect(alone.toArray() == whole.toArray())
    let fixed = ConvolutionWeights(c.geometry, weight: w, bias: b)
    for _ in 0..<2 {
      let found = device.convolveBackward(
        dy, output: device.convolve(x, fixed), inputShape: x.shape, fixed)
      #expect(found.toArray() == whole.toArray())
    }
    let patches = device.empty(x.shape)
    ConvolutionByPatches().backward(device, outputGradient: dy, fixed, inputGradient: patches)
    expectClose(
      patches.toArray(), whole.toArray(),
      relativeToNorm: Double(c.geometry.weightCount) * unitRoundoff, floor: 1e-6, "by patches")
  }

  @Test func noInputGradientUnlessAskedFor() {
    let device = Device(threadCount: 2)
    let g = ConvolutionGeometry(inChannels: 2, outChannels: 3, kernel: 3)
    let gradient = device.convolveBackward(
      device.full([1, 4, 4, 3], 1), input: device.convolutionInput(device.full([1, 4, 4, 2], 1)),
      weight: device.zeros([3, 2, 3, 3]), g,
      weightGradient: device.zeros([3, 2, 3, 3]), biasGradient: device.zeros([3]), needsInputGradient: false)
    #expect(gradient == nil)
  }

  @Test func partsCoverTheOutputOnce() {
    for batch in 0...7 {
      for threads in 1...4 {
        for stride in 1...2 {
          for byRows in [false, true] {
            let g = ConvolutionGeometry(inChannels: 1, outChannels: 1, kernel: 3, stride: stride)
            let parts = convolutionParts(
              g, inputShape: [batch, 9, 9, 1], threads: threads, byRowsAllowed: byRows)
            let rows = parts.flatMap { part in
              (part.image..<part.image + part.part.batch).flatMap { image in
                (part.outputRow..<part.outputRow + part.part.outHeight).map { image * 100 + $0 }
              }
            }
            let all = (0..<batch).flatMap { image in (0..<g.outputSize(9)).map { image * 100 + $0 } }
            #expect(rows == all, "batch \(batch), \(threads) threads, stride \(stride), by rows \(byRows)")
            #expect(parts.count <= max(threads, 1) * max(batch, 1))
          }
        }
      }
    }
  }

  func weightShape(_ c: ConvolutionCase) -> [Int] {
    [c.geometry.outChannels, c.geometry.inChannels, c.geometry.kernel, c.geometry.kernel]
  }
}
