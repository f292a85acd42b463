"""The processes of the tools: how they start and end, and what comes out of them."""

from __future__ import annotations

import io
import select
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import IO, TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


@contextmanager
def running(command: list[str], *, stdin: int | BinaryIO, stdout: int | IO[bytes],
            messages: IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """Starts a tool, and sees to it that it has ended when the block has.

    A tool saves at the first signal and dies of the second one. Ctrl-C in a terminal or a notebook goes to the tool as
    well as to this program, which then asks the tool to end: together that would be two. So where Ctrl-C interrupts
    this program's code, the tool is started with SIGINT ignored, and hears of it from `_end` alone."""
    process = None
    try:
        with _interrupts_held_back() as held_back:
            if held_back:
                command = ["/bin/sh", "-c", 'trap "" INT; exec "$0" "$@"', *command]
            process = subprocess.Popen(command, bufsize=0, stdin=stdin, stdout=stdout, stderr=messages)
        yield process
    finally:
        if process is not None:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Asks a tool that still runs to end, by SIGTERM, and gives it the time to save. Its pipes are closed after that,
    so that it neither waits there nor takes the close for the end of its input. An exception in the wait, such as that
    of a second Ctrl-C, kills it."""
    try:
        process.terminate()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
        process.wait()
    except BaseException:
        process.kill()
        process.wait()
        raise


@contextmanager
def _interrupts_held_back() -> Iterator[bool]:
    """Has a Ctrl-C wait until the block's end, so that no process starts that nobody knows of; whether there is a
    handler of Python's that it would call in this thread. Python calls handlers in the main thread only: a tool that
    another thread starts must see Ctrl-C by itself."""
    handler = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(handler):
        yield False
        return
    came: list[tuple[int, FrameType | None]] = []
    signal.signal(signal.SIGINT, lambda number, frame: came.append((number, frame)))
    try:
        yield True
    finally:
        signal.signal(signal.SIGINT, handler)
    if came:
        handler(*came[0])


class Output(io.RawIOBase):
    """The standard output of a tool, which knows whether its reader has come to the end."""

    def __init__(self, pipe: Any) -> None:
        self._pipe = pipe
        self.is_untouched = True
        """Whether nothing of it was read here, so that no buffer holds what a reader of the descriptor would miss."""
        self._was_lent = self._has_ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        self.is_untouched = False
        count: int = self._pipe.readinto(buffer)
        self._has_ended = self._has_ended or (count == 0 and memoryview(buffer).nbytes > 0)
        return count

    def fileno(self) -> int:
        self._was_lent = True
        number: int = self._pipe.fileno()
        return number

    def close(self) -> None:
        super().close()
        self._pipe.close()

    @property
    def closed(self) -> bool:
        return bool(self._pipe.closed)

    def was_read_to_its_end(self) -> bool:
        """Another program to which the descriptor was lent reads unseen. If it has read all, the end is there now: this
        looks and does not wait."""
        if self._was_lent and not self._has_ended and not self.closed:
            look = select.poll()
            look.register(self._pipe, select.POLLIN)
            self._has_ended = bool(look.poll(0)) and not self._pipe.read(1)
        return self._has_ended
