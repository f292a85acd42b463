"""The bytes of a file as the contents of its zstd frames (RFC 8878), in bounded memory.

A frame is fed to the decompressor block by block: a block holds at most 128 KiB of content, so neither a small file
with a large content nor a false size costs memory, and the place at which a frame ends is known exactly."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import zstandard

from .errors import Defect, FormatError, Origin

FRAME_MAGIC = b"\x28\xb5\x2f\xfd"
WINDOW_LIMIT = 1 << 27
_CHUNK = 1 << 18
_CUT = "copy or make the file again; it was cut short"
_CHANGED = "copy or make the file again; bytes of it have changed"


class Input:
    """A binary stream with a look ahead, which counts what was taken."""

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self.name = name
        self.offset = 0
        self.decompressor = zstandard.ZstdDecompressor(max_window_size=WINDOW_LIMIT)
        self._stream, self._buffer, self._place = stream, b"", 0

    def peek(self, count: int) -> bytes:
        """The next bytes, fewer only at the end; they are not taken."""
        while len(self._buffer) - self._place < count:
            more = self._stream.read(max(_CHUNK, count))
            if not more:
                break
            self._buffer, self._place = self._buffer[self._place:] + more, 0
        return self._buffer[self._place:self._place + count]

    def take(self, count: int) -> bytes:
        """The next bytes, fewer only at the end."""
        found = self.peek(count)
        self._place += len(found)
        self.offset += len(found)
        return found

    def skip(self, count: int) -> int:
        """Passes over bytes; how many there were."""
        left = count
        while left > 0 and (found := self.take(min(left, _CHUNK))):
            left -= len(found)
        return count - left


class Content:
    """The decompressed bytes of one record: pieces of at most a few hundred KiB."""

    def __init__(self, pieces: Iterator[bytes], origin: Origin) -> None:
        self._pieces, self._rest, self._origin = pieces, memoryview(b""), origin

    def _some(self, limit: int) -> memoryview:
        """At least one byte, at most `limit`; none at the end."""
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return self._rest
            self._rest = memoryview(piece)
        found, self._rest = self._rest[:limit], self._rest[limit:]
        return found

    def read(self, count: int, what: str, *, keep: bool = True) -> bytearray:
        """So many bytes; without `keep` they are only passed over. Memory grows as data arrives."""
        found, left = bytearray(), count
        while left > 0:
            some = self._some(left)
            if not some:
                raise FormatError(
                    Defect.TRUNCATED_RECORD, self._origin, expected=f"at least {left} more bytes of {what}",
                    found="the end of the record", hint=_CUT)
            left -= len(some)
            if keep:
                found += some
        return found

    def expect_end(self) -> None:
        if self._some(1):
            raise FormatError(
                Defect.TRAILING_BYTES, self._origin, expected="the record to end with its last tensor",
                found="more bytes", hint="write one safetensors blob per zstd frame")


def plain_pieces(source: Input) -> Iterator[bytes]:
    """All that is left of a file that is not compressed."""
    while piece := source.take(_CHUNK):
        yield piece


def frame_pieces(source: Input, origin: Origin) -> Iterator[bytes]:
    """The content of the frame that begins here; at its end the checksum has been verified."""
    frame = source.decompressor.decompressobj()
    header, has_checksum = _frame_header(source, origin)
    yield _feed(frame, header, origin)
    last = False
    while not last:
        head = _whole(source, 3, origin)
        word = int.from_bytes(head, "little")
        last, kind, size = bool(word & 1), word >> 1 & 3, word >> 3
        if kind == 3:
            raise _damaged("a block of a reserved type", origin)
        yield _feed(frame, head + _whole(source, 1 if kind == 1 else size, origin), origin)
    if has_checksum:
        yield _feed(frame, _whole(source, 4, origin), origin)


def _frame_header(source: Input, origin: Origin) -> tuple[bytes, bool]:
    """The frame's header, and whether a checksum closes the frame."""
    start = _whole(source, 5, origin)
    descriptor = start[4]
    single = bool(descriptor & 0x20)
    size_bytes = (1 if single else 0, 2, 4, 8)[descriptor >> 6]
    rest = _whole(source, (0 if single else 1) + (0, 1, 2, 4)[descriptor & 3] + size_bytes, origin)
    if single:
        window = int.from_bytes(rest[len(rest) - size_bytes:], "little") + (256 if size_bytes == 2 else 0)
    else:
        base = 1 << 10 + (rest[0] >> 3)
        window = base + base // 8 * (rest[0] & 7)
    if window > WINDOW_LIMIT:
        raise _large_window(f"{window} bytes", origin)
    return start + rest, bool(descriptor & 4)


def _whole(source: Input, count: int, origin: Origin) -> bytes:
    found = source.take(count)
    if len(found) < count:
        raise FormatError(Defect.TRUNCATED_FRAME, origin, expected="a whole zstd frame",
                          found="the end of the file within it", hint=_CUT)
    return found


def _feed(frame: zstandard.ZstdDecompressionObj, data: bytes, origin: Origin) -> bytes:
    try:
        return frame.decompress(data)
    except zstandard.ZstdError as error:
        message = str(error)
    if "checksum" in message:
        raise FormatError(Defect.CHECKSUM_MISMATCH, origin, expected="content with the checksum stored after it",
                          found="other content", hint=_CHANGED)
    if "too much memory" in message:
        raise _large_window(message, origin)
    raise _damaged(message, origin)


def _large_window(found: str, origin: Origin) -> FormatError:
    return FormatError(Defect.WINDOW_TOO_LARGE, origin, expected="a window of at most 128 MiB", found=found,
                       hint="compress the file again without --long")


def _damaged(found: str, origin: Origin) -> FormatError:
    return FormatError(Defect.CORRUPT_FRAME, origin, expected="zstd data", found=found, hint=_CHANGED)
