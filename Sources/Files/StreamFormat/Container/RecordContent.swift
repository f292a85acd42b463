import CZstd

/// The decompressed bytes of one record.
protocol RecordContent: AnyObject {
  /// Reads at least one byte, unless the record has ended; 0 then.
  func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int
}

/// A record that is a whole uncompressed file.
final class PlainContent: RecordContent {
  private let input: RawInput

  init(_ input: RawInput) {
    self.input = input
  }

  func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
    try input.withBuffered { raw in
      let count = min(raw.count, buffer.count)
      buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: raw[..<count]))
      return (count, count)
    }
  }
}

/// A record that is one zstd frame.
final class FrameContent: RecordContent {
  private let input: RawInput
  private let decoder: ZstdDecoder
  private let origin: Origin
  private var ended = false

  init(_ input: RawInput, decoder: ZstdDecoder, origin: Origin) {
    self.input = input
    self.decoder = decoder
    self.origin = origin
    decoder.restart()
  }

  func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
    var produced = 0
    while produced == 0, !ended {
      let before = input.offset
      let status = try input.withBuffered { raw in
        let step = decoder.step(from: raw, into: buffer)
        produced = step.produced
        return (step.status, step.consumed)
      }
      switch status {
      case .more:
        if produced == 0, input.offset == before, input.isAtEnd { throw truncated }
      case .frameEnded: ended = true
      case .failed(let code): throw failure(code)
      }
    }
    return produced
  }

  private var truncated: FormatError {
    FormatError(
      .truncatedFrame, at: origin, expected: "a whole zstd frame", found: "the end of the file within it",
      hint: "copy or make the file again; it was cut short")
  }

  private func failure(_ code: ZSTD_ErrorCode) -> FormatError {
    let message = String(cString: ZSTD_getErrorString(code))
    switch code {
    case ZSTD_error_checksum_wrong:
      return FormatError(
        .checksumMismatch, at: origin, expected: "content with the checksum stored after it",
        found: "other content", hint: "copy or make the file again; bytes of it have changed")
    case ZSTD_error_frameParameter_windowTooLarge:
      return FormatError(
        .windowTooLarge, at: origin, expected: "a window of at most 128 MiB", found: message,
        hint: "compress the file again without --long")
    default:
      return FormatError(
        .corruptFrame, at: origin, expected: "zstd data", found: message,
        hint: "copy or make the file again; bytes of it have changed")
    }
  }
}

/// A zstd decompression context.
final class ZstdDecoder {
  enum Status {
    case more
    case frameEnded
    case failed(ZSTD_ErrorCode)
  }

  private let context: OpaquePointer

  init(windowLog: Int32) {
    guard let context = ZSTD_createDCtx() else { fatalError("out of memory") }
    self.context = context
    let code = ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, windowLog)
    precondition(ZSTD_isError(code) == 0, "window limit 2^\(windowLog) is not one that zstd knows")
  }

  deinit {
    ZSTD_freeDCtx(context)
  }

  func restart() {
    ZSTD_DCtx_reset(context, ZSTD_reset_session_only)
  }

  func step(
    from source: UnsafeRawBufferPointer, into destination: UnsafeMutableRawBufferPointer
  ) -> (status: Status, consumed: Int, produced: Int) {
    var input = ZSTD_inBuffer(src: source.baseAddress, size: source.count, pos: 0)
    var output = ZSTD_outBuffer(dst: destination.baseAddress, size: destination.count, pos: 0)
    let code = ZSTD_decompressStream(context, &output, &input)
    let status: Status =
      ZSTD_isError(code) != 0 ? .failed(ZSTD_getErrorCode(code)) : code == 0 ? .frameEnded : .more
    return (status, input.pos, output.pos)
  }
}
