import CKernels
import TensorCore
public struct NearestCode {
  let codes: Tensor; let device: Device; let offset: Tensor
  public init(_ codes: Tensor, on device: Device) { self.codes = codes; self.device = device
    let (k, d) = (codes.shape[0], codes.shape[1]); offset = device.empty([k])
    for i in 0..<k { offset.pointer[i] = Float(tsr_dot(codes.pointer + i*d, codes.pointer + i*d, d)) } }
  public func indices(of x: Tensor) -> [Int] {
    let (k, d) = (codes.shape[0], codes.shape[1]); var r: [Int] = []
    for i in stride(from: 0, to: x.rowCount, by: 256) { let n = min(256, x.rowCount - i)
      let s = device.empty([n, k])
      device.multiply(m: n, n: k, k: d, MatrixOperand(x.pointer + i*d, stride: d), MatrixOperand(codes.pointer, stride: d, transposed: true), into: s.pointer, stride: k)
      var idx = [UInt32](repeating: 0, count: n), v = [Float](repeating: 0, count: n)
      tsr_nearest(&idx, &v, s.pointer, offset.pointer, n, k); r += idx.map(Int.init) }
    return r }
}
