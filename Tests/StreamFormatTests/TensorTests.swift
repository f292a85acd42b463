@testable import StreamFormat
import Testing

@Suite struct TensorTests {
  private func tensor<Number>(_ type: ElementType, _ values: [Number]) -> StoredTensor {
    StoredTensor(
      name: "x", elementType: type, shape: [values.count], bytes: values.withUnsafeBytes { Array($0) })
  }

  @Test func floatsComeFromEveryFloatingPointType() throws {
    let values: [Float] = [0, -0.0, 1, -1.5, 65504, .infinity]
    #expect(try tensor(.float32, values).floats() == values)
    #expect(try tensor(.float16, values.map { Float16($0) }).floats() == values)
    #expect(try tensor(.float64, values.map { Double($0) }).floats() == values)
    #expect(try tensor(.float64, values.map { Double($0) }).doubles() == values.map { Double($0) })
    let halves: [UInt16] = [0x3F80, 0xC040, 0x7F80]
    #expect(try tensor(.bfloat16, halves).floats() == [1, -3, .infinity])
  }

  @Test func integersComeFromEveryIntegerType() throws {
    #expect(try tensor(.uint8, [UInt8.max]).integers() == [255])
    #expect(try tensor(.int8, [Int8.min]).integers() == [-128])
    #expect(try tensor(.bool, [UInt8(0), 1]).integers() == [0, 1])
    #expect(try tensor(.uint16, [UInt16.max]).integers() == [65_535])
    #expect(try tensor(.int16, [Int16.min]).integers() == [-32_768])
    #expect(try tensor(.uint32, [UInt32.max]).integers() == [4_294_967_295])
    #expect(try tensor(.int32, [Int32.min]).integers() == [-2_147_483_648])
    #expect(try tensor(.int64, [Int64.min]).integers() == [Int.min])
    #expect(try tensor(.uint64, [UInt64(Int.max)]).integers() == [Int.max])
    let error = try #require(throws: FormatError.self) { try tensor(.uint64, [0, UInt64.max]).integers() }
    #expect(error.defect == .valueOutOfRange)
  }

  @Test func typesAreNotMixedUp() {
    #expect(throws: FormatError.self) { try tensor(.float32, [Float(1)]).integers() }
    #expect(throws: FormatError.self) { try tensor(.uint8, [UInt8(1)]).floats() }
  }

  @Test func missingAndMisshapenTensorsAreNamed() throws {
    let record = Record(tensors: [
      StoredTensor(name: "weight", shape: [2, 3], floats: .init(repeating: 0, count: 6))
    ])
    #expect(try record.tensor("weight", shape: [nil, 3]).shape == [2, 3])
    let missing = try #require(throws: FormatError.self) { try record.tensor("bias") }
    #expect(missing.defect == .missingTensor && missing.found == "weight")
    for shape in [[3, 2], [6], [nil, nil, nil]] as [[Int?]] {
      let wrong = try #require(throws: FormatError.self) { try record.tensor("weight", shape: shape) }
      #expect(wrong.defect == .wrongShape && wrong.found == "[2, 3]")
    }
  }

  @Test func hashesAreSHA256() {
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    #expect(SHA256Hasher.hex(of: Array("abc".utf8)) == abc)
    var hasher = SHA256Hasher()
    Array("ab".utf8).withUnsafeBytes { hasher.update($0) }
    _ = hasher.finish()
    Array("c".utf8).withUnsafeBytes { hasher.update($0) }
    #expect(hasher.finish() == abc)
    #expect(
      SHA256Hasher.hex(of: [UInt8]()) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
  }
}
