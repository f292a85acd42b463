@testable import Autograd
import Glibc
import TensorCore
import Testing
import TestSupport

/// Gradients of whole ops in bfloat16 against float32's. An operand is off by up to 2^-8 of itself, and errors of
/// different elements are independent: a few products in a row stay within 2 % of the norm.
@Suite struct BFloat16GradientTests {
  private func compare(
    of shapes: [[Int]], _ body: (Tape, [Variable]) -> Variable,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    func gradients(_ precision: Precision) throws -> [[Float]] {
      let device = Device(threadCount: 2, precision: precision)
      let variables = shapes.enumerated().map {
        Variable(device.random($1, UInt64(130 + $0)), requiresGradient: true)
      }
      let tape = Tape(device: device)
      let y = body(tape, variables)
      tape.backward(from: tape.dot(y, device.random(y.shape, 140)))
      return try [y.value.toArray()] + variables.map { try #require($0.gradient).toArray() }
    }
    let (exact, rounded) = (try gradients(.float32), try gradients(.bfloat16))
    #expect(rounded == (try gradients(.bfloat16)), "the same bytes each time", sourceLocation: sourceLocation)
    for (index, pair) in zip(rounded, exact).enumerated() {
      expectClose(pair.0, pair.1, relativeToNorm: 0.02, "result \(index)", sourceLocation: sourceLocation)
    }
    if Precision.bfloat16.isSupported { #expect(rounded != exact, sourceLocation: sourceLocation) }
  }

  @Test func linear() throws {
    try compare(of: [[96, 128], [160, 128], [160]]) { $0.linear($1[0], weight: $1[1], bias: $1[2]) }
  }

  @Test func swiGLU() throws {
    try compare(of: [[96, 128], [160, 128], [160, 128]]) { $0.swiGLU($1[0], gate: $1[1], up: $1[2]) }
  }

  @Test func feedForward() throws {
    try compare(of: [[96, 128], [160, 128], [160, 128], [128, 160]]) {
      $0.feedForward($1[0], gate: $1[1], up: $1[2], down: $1[3])
    }
  }

  /// What is frozen gets no gradient, and the others the gradients that they get beside it.
  @Test(arguments: 0..<4) func aFrozenPartOfAFeedForwardLayer(place: Int) throws {
    let device = Device(threadCount: 2, precision: .bfloat16)
    let inputs = [[96, 128], [160, 128], [160, 128], [128, 160]].enumerated().map {
      device.random($1, UInt64(160 + $0))
    }
    func gradients(frozen: Int?) -> [[Float]?] {
      let v = inputs.enumerated().map { Variable($1, requiresGradient: $0 != frozen) }
      let tape = Tape(device: device)
      let y = tape.feedForward(v[0], gate: v[1], up: v[2], down: v[3])
      tape.backward(from: tape.dot(y, device.random(y.shape, 170)))
      return v.map { $0.gradient?.toArray() }
    }
    var expected = gradients(frozen: nil)
    expected[place] = nil
    #expect(gradients(frozen: place) == expected)
  }

  /// Lengths of one block of queries, of several, and of several with a rest; two or three of the masks.
  @Test(arguments: [64, 65, 130, 192])
  func attention(length: Int) throws {
    let size = 48
    let rotation = (0..<length * size / 2).flatMap {
      [Float(cos(Double($0) * 0.7)), Float(sin(Double($0) * 0.7))]
    }
    let seen = (0..<2 * length).map { $0 * 7 % 5 > 1 ? UInt8(1) : 0 }
    let visible = (0..<length * length).map { $0 / length == 3 || $0 * 11 % 7 > 4 ? UInt8(0) : 1 }
    for mask in [AttentionMask.causal, .full, .causalVisible(seen), .visible(visible)] {
      try compare(of: [[2, length, 3 * 2 * size]]) {
        $0.attention(
          qkv: $1[0], heads: 2, rotation: $0.device.tensor(rotation, [length, size / 2, 2]), mask: mask)
      }
    }
    try compare(of: Array(repeating: [2, length, 2 * size], count: 3)) {
      $0.attention(query: $1[0], key: $1[1], value: $1[2], heads: 2, mask: .causal)
    }
  }

  @Test func normalizedConvolution() throws {
    let g = ConvolutionGeometry(inChannels: 16, outChannels: 24, kernel: 3)
    try compare(of: [[2, 8, 9, 16], [16], [16], g.weightShape, [24]]) {
      $0.normalizedConvolution(
        $1[0], norm: GroupNormParameters(weight: $1[1], bias: $1[2], groups: 4, epsilon: 1e-6),
        ConvolutionFilter(weight: $1[3], bias: $1[4], geometry: g))
    }
  }

  /// The fused op of float32 is the two ops one after the other.
  @Test func normalizedConvolutionInFloat32() {
    let device = Device(threadCount: 2)
    let g = ConvolutionGeometry(inChannels: 8, outChannels: 6, kernel: 3)
    let inputs = [[2, 4, 5, 8], [8], [8], g.weightShape, [6]].enumerated().map {
      device.random($1, UInt64(150 + $0))
    }
    func fused(_ tape: Tape, _ v: [Variable]) -> Variable {
      tape.normalizedConvolution(
        v[0], norm: GroupNormParameters(weight: v[1], bias: v[2], groups: 2, epsilon: 1e-6),
        ConvolutionFilter(weight: v[3], bias: v[4], geometry: g))
    }
    let tape = Tape(device: device, isRecording: false)
    let v = inputs.map { Variable($0) }
    let normed = tape.groupNorm(v[0], weight: v[1], bias: v[2], groups: 2, epsilon: 1e-6, silu: true)
    let separate = tape.convolution(normed, weight: v[3], bias: v[4], g)
    #expect(fused(tape, v).value.toArray() == separate.value.toArray())
    checkGradients(device, of: inputs, fused)
  }
}
