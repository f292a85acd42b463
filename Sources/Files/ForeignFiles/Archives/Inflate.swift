import CZlib

/// What a deflated stream without a header unpacks to, or nil if it is damaged, ends early, goes on after its end, or
/// unpacks to another number of bytes. Memory is taken as data arrives, and `size` bytes are the most: a bomb goes off
/// at the size that it claims.
func inflated(_ source: UnsafeRawBufferPointer, size: Int) -> [UInt8]? {
  // Deflate packs 258 bytes into 2 bits at best.
  guard size / 1032 <= source.count else { return nil }
  var stream = z_stream()
  guard inflateInitRaw(&stream) == Z_OK else { return nil }
  defer { inflateEnd(&stream) }
  var output: [UInt8] = []
  var chunk = [UInt8](repeating: 0, count: 1 << 18)
  var read = 0
  var status = Z_OK
  while status == Z_OK {
    // zlib counts in 32 bits.
    let given = min(source.count - read, 1 << 30)
    stream.next_in = source.baseAddress.map {
      UnsafeMutablePointer(mutating: $0.assumingMemoryBound(to: UInt8.self) + read)
    }
    stream.avail_in = UInt32(given)
    let written = chunk.withUnsafeMutableBufferPointer { chunk in
      stream.next_out = chunk.baseAddress
      stream.avail_out = UInt32(chunk.count)
      status = inflate(&stream, Z_NO_FLUSH)
      return chunk.count - Int(stream.avail_out)
    }
    read += given - Int(stream.avail_in)
    guard written <= size - output.count else { return nil }
    output += chunk[..<written]
  }
  return status == Z_STREAM_END && read == source.count && output.count == size ? output : nil
}
