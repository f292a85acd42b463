"""What a tool gets as standard input: a file that it reads by itself, or a pipe that this program fills."""

from __future__ import annotations

import io
import os
import stat
import subprocess
from collections.abc import Iterator
from typing import IO, BinaryIO

from .processes import Output

Given = bytes | BinaryIO
CHUNK = 1 << 16
_BYTES = (bytes, bytearray, memoryview)


def standard_input(given: Given | None) -> int | BinaryIO:
    """What a process is started with: the file itself, if it can be lent, or a number for a pipe or for nothing."""
    if given is None:
        return subprocess.DEVNULL
    if isinstance(given, _BYTES):
        return subprocess.PIPE
    if isinstance(given, io.TextIOBase) or not hasattr(given, "read"):
        raise _not_binary(given)
    raw = getattr(given, "raw", given)
    if type(raw) is io.FileIO and not os.get_blocking(raw.fileno()):
        raise _not_waiting()
    return given if _can_lend(given) else subprocess.PIPE


def _not_binary(given: object) -> TypeError:
    return TypeError(f"input: expected bytes, or a file that was opened to read bytes; found {type(given).__name__}; "
                     "try: open(file, 'rb'), or text.encode()")


def _not_waiting() -> BlockingIOError:
    return BlockingIOError("input: expected a file that waits for its data; found one that does not; "
                           "try: os.set_blocking(file.fileno(), True)")


def _can_lend(file: BinaryIO) -> bool:
    """Whether a tool can read from the descriptor what the caller would read from the file. It cannot where a buffer
    has taken more from the system than the caller has read, or where what is read is not what is stored, as of a
    compressed file. Only classes that are known are lent: others may do anything between the two."""
    raw = getattr(file, "raw", file)
    if isinstance(raw, Output):
        return raw.is_untouched
    if type(raw) is not io.FileIO or not raw.readable():
        return False
    return raw is file or (type(file) in (io.BufferedReader, io.BufferedRandom) and _empties_its_buffer(file))


def _empties_its_buffer(file: BinaryIO) -> bool:
    """Puts the descriptor of a regular file where the file is."""
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        return False
    try:
        place = file.tell()
        # To a place within its buffer a file would seek without the system.
        file.seek(0, io.SEEK_END)
        file.seek(place)
    except OSError:
        return False  # Some files of /proc have no end.
    return True


def follow(lent: BinaryIO) -> None:
    """Has a file that was lent go on where the tool has stopped to read."""
    if type(lent) in (io.BufferedReader, io.BufferedRandom) and lent.seekable():
        lent.seek(0, io.SEEK_CUR)


def feed(given: Given, pipe: IO[bytes]) -> None:
    """Writes all of it to the standard input of a tool, and closes that. A tool may end, or close its input, before:
    whether that is an error it says itself."""
    for piece in _pieces(given):
        left = memoryview(piece).cast("B")
        try:
            while left:
                left = left[pipe.write(left):]
        except BrokenPipeError:
            break
    pipe.close()


def _pieces(given: Given) -> Iterator[bytes]:
    if isinstance(given, _BYTES):
        yield given
        return
    # What there is now, rather than a whole piece, for which a slow source would have the tool wait.
    read = getattr(given, "read1", given.read)
    while piece := read(CHUNK):
        if isinstance(piece, str):
            raise _not_binary(given)
        yield piece
    if piece is None:
        raise _not_waiting()
