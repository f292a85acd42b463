import Autograd
import Datasets
import TensorCore
import Testing
import TestSupport

/// Images at the size of an evaluation, and the bytes that are made of them, as LlamaGen's sampling makes both in PyTorch
/// (`eval.*` of `interpolation.safetensors`).
@Suite struct EvaluationSizeTests {
  private let device = Device(threadCount: 2)

  @Test(arguments: [("24x24", 16, 16), ("48x48", 32, 32), ("45x31", 30, 20)])
  func pixelsAndBytesAreThoseOfPyTorch(name: String, height: Int, width: Int) throws {
    let golden = try Fixture("interpolation.safetensors")
    let input = try golden.channelsLast("eval.\(name).input", device)
    let key = "eval.\(name).to_\(height)x\(width)"
    let tape = Tape(device: device, isRecording: false)
    let found = tape.interpolate(Variable(input), height: height, width: width, .bicubic).value
    let expected = try golden.channelsLast(key, device)
    #expect(found.shape == expected.shape)
    expectClose(
      Array(found.buffer), Array(expected.buffer), relativeToLargest: 1e-5, "resized \(name)")
    #expect(device.images(found)[0].pixels.map(Int.init) == (try golden.integers(key + ".uint8")))
    #expect(
      device.images(input)[0].pixels.map(Int.init)
        == (try golden.integers("eval.\(name).uint8_without_resize")))
  }
}
