"""Running the tools from Python. Each exit code of docs/tools.md is an exception of its own."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any, SupportsFloat, cast

from .errors import FormatError, Path
from .inputs import CHUNK, Given, feed, follow, standard_input
from .processes import Output, running

# Numbers of numpy are SupportsFloat.
Option = str | int | float | bool | SupportsFloat | os.PathLike[str] | list[Any] | tuple[Any, ...] | None


class ToolError(Exception):
    """A tool that did not end with 0. `file`, `expected`, `found` and `hint` are the parts of its message, or None."""

    def __init__(self, tool: str, exit_code: int, messages: str) -> None:
        self.tool, self.exit_code = tool, exit_code
        self.messages = messages
        """All that the tool wrote to standard error."""
        lines = [line for line in messages.splitlines() if line.startswith(f"{tool}: ")]
        text = lines[-1].removeprefix(f"{tool}: ") if lines else messages.strip()
        self.file = _part(r"^(.+?): ", text)
        self.expected = _part(r"(?:; |: |^)expected (.*?)(?=; found |; try: |$)", text)
        self.found = _part(r"; found (.*?)(?=; try: |$)", text)
        self.hint = _part(r"; try: (.*)$", text)
        super().__init__(f"{tool}: {text or f'ended with {exit_code}'}")

    def __reduce__(self) -> tuple[object, ...]:
        return (tool_error, (self.tool, self.exit_code, self.messages))


class UsageError(ToolError):
    """64: unknown, conflicting or out-of-range options; no file was opened."""


class DataError(ToolError):
    """65: bad data in an input."""


class InputError(ToolError):
    """66: an input is missing or cannot be opened."""


class OutputError(ToolError):
    """73: an output cannot be created."""


class StreamError(ToolError):
    """74: reading or writing failed, for example on a full disk."""


class EndedBySignal(ToolError):
    """129, 130, 143, or any signal: a training tool has saved a checkpoint, other tools leave nothing."""


class ClosedPipe(ToolError):
    """141: the reader of standard output has gone."""


class ToolNotFound(FileNotFoundError):
    """No such tool on the path."""


_BY_CODE: dict[int, type[ToolError]] = {
    64: UsageError, 65: DataError, 66: InputError, 73: OutputError, 74: StreamError, 141: ClosedPipe,
    129: EndedBySignal, 130: EndedBySignal, 143: EndedBySignal,
}


def tool_error(tool: str, exit_code: int, messages: str) -> ToolError:
    """The exception for an exit code; a negative one is a signal, as `subprocess` gives it."""
    if exit_code < 0:
        return EndedBySignal(tool, 128 - exit_code, messages)
    return _BY_CODE.get(exit_code, ToolError)(tool, exit_code, messages)


def _part(pattern: str, text: str) -> str | None:
    found = re.search(pattern, text)
    return found[1] if found else None


@dataclass(frozen=True)
class Result:
    """What a tool gave."""

    output: bytes
    """Standard output: the product, if it went there."""
    messages: str
    """Standard error: progress and warnings."""

    @property
    def text(self) -> str:
        return self.output.decode()

    @property
    def summary(self) -> Any:
        """What the tool printed with `--json`."""
        return json.loads(self.output)


def run(tool: str, *arguments: Path, input: Given | None = None, folder: Path | None = None,
        **options: Option) -> Result:
    """Runs a tool to its end.

        run("sample", model="model.tensors.zst", per_class=8, guidance=3, output="a.tokens.zst")

    is `sample --model=model.tensors.zst --per-class=8 --guidance=3 --output=a.tokens.zst`. An option that is True is a
    flag, one that is False or None is left out, and a list gives the option once for each item. `l2_norm=False` and
    others of NEGATABLE are `--no-l2-norm`. Values of numpy are what they would be in Python. `input` goes to standard
    input: bytes, or a binary file, which is read from where it is. The tool is taken from `folder`, or from the folder
    that the environment variable TESSERA_BIN names, or from PATH.

    Ctrl-C asks the tool to end, and is raised when it has: a training saves its checkpoint first. A second Ctrl-C kills
    the tool. Any other exception that comes meanwhile does the same.

    Raises a ToolError of the class of the exit code, and ToolNotFound."""
    command = [find(tool, folder), *(os.fspath(one) for one in arguments), *_words(options)]
    # Files, because a tool can always write to them, also while this program waits to read or to write.
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as messages:
        code = _completed(command, input, output, messages)
        if code != 0:
            raise tool_error(tool, code, _text(messages))
        output.seek(0)
        return Result(output.read(), _text(messages))


def _completed(command: list[str], input: Given | None, output: IO[bytes], messages: IO[bytes]) -> int:
    """Runs a tool to its end; its exit code."""
    stdin = standard_input(input)
    try:
        with running(command, stdin=stdin, stdout=output, messages=messages) as process:
            if input is not None and process.stdin is not None:
                feed(input, process.stdin)
            return process.wait()
    finally:
        if not isinstance(stdin, int):
            follow(stdin)


@contextmanager
def stream(tool: str, *arguments: Path, folder: Path | None = None, **options: Option) -> Iterator[IO[bytes]]:
    """Runs a tool and gives its standard output to be read while it runs, in bounded memory.

        with stream("tokenize", "images", tokenizer="tokenizer.tensors.zst") as output:
            for batch in iterate_tokens(output): ...

    A block that has read the product to its end waits for the tool, and an error of the tool is raised there, also in
    place of the error that a product which ends too early was: a FormatError, or the DataError of a tool that read it.
    A block that is left before that end, or by another exception, ends the tool as `run` does, which is no error."""
    command = [find(tool, folder), *(os.fspath(one) for one in arguments), *_words(options)]
    failure: Exception | None = None
    # A file, because a pipe for messages that nobody reads would stop a tool that has many.
    with tempfile.TemporaryFile() as messages:
        with running(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, messages=messages) as process:
            output = Output(process.stdout)
            reader = io.BufferedReader(output, CHUNK)
            try:
                yield reader
            except (FormatError, DataError) as error:
                failure = error
            at_end = output.was_read_to_its_end()
            if at_end:
                process.wait()
        if at_end and process.returncode != 0:
            raise tool_error(tool, process.returncode, _text(messages)) from failure
    if failure:
        raise failure


def _text(messages: IO[bytes]) -> str:
    messages.seek(0)
    return messages.read().decode(errors="replace")


def find(tool: str, folder: Path | None = None) -> str:
    """The path of a tool."""
    given = folder or os.environ.get("TESSERA_BIN")
    found = shutil.which(tool, path=os.fspath(given) if given else None)
    if found is None:
        raise ToolNotFound(f"{tool}: no such tool in {given or 'PATH'}; "
                           "try: make install, or TESSERA_BIN=FOLDER/.build/release"
                           + (", or folder_= for the tool's own --folder" if folder else ""))
    return found


NEGATABLE = frozenset({
    "--cluster-mask", "--cosine", "--l2-norm", "--normalize-codes", "--order", "--provenance", "--refine"})
"""Flags that are turned off by `--no-...`."""


def _words(options: dict[str, Option]) -> Iterator[str]:
    for name, value in options.items():
        flag = "--" + name.strip("_").replace("_", "-")
        is_list = isinstance(value, (list, tuple)) or getattr(value, "ndim", 0) == 1
        for item in cast(Iterable[object], value) if is_list else [value]:
            one = _plain(name, item)
            if one is True:
                yield flag
            elif one is False and flag in NEGATABLE:
                yield "--no-" + flag.removeprefix("--")
            elif one is not None and one is not False:
                yield f"{flag}={one}"


def _plain(name: str, value: object) -> object:
    """A value as Python's own, without importing numpy. The text of numpy's numbers is theirs, which is the shortest: a
    float32 is 0.1 and not the 0.10000000149011612 that it is as a float."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    kind = getattr(getattr(value, "dtype", None), "kind", None)
    if kind is not None and getattr(value, "ndim", None) == 0:
        return bool(value) if kind == "b" else str(value)
    if isinstance(value, Iterable) and not isinstance(value, str) and getattr(value, "ndim", None) != 0:
        raise TypeError(f"{name}: expected a word, a number, True, False, None or a list of such; "
                        f"found {type(value).__name__}")
    return value
