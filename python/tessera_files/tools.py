"""Running the tools from Python. Each exit code of docs/tools.md is an exception of its own."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any, BinaryIO

from .errors import FormatError, Path

Option = str | int | float | bool | os.PathLike[str] | list[Any] | tuple[Any, ...] | None


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


def run(tool: str, *arguments: Path, input: bytes | BinaryIO | None = None, folder: Path | None = None,
        **options: Option) -> Result:
    """Runs a tool to its end.

        run("sample", model="model.tensors.zst", per_class=8, guidance=3, output="a.tokens.zst")

    is `sample --model=model.tensors.zst --per-class=8 --guidance=3 --output=a.tokens.zst`. An option that is True is a
    flag, one that is False or None is left out, and a list gives the option once for each item. `input` goes to
    standard input. The tool is taken from `folder`, or from the folder that the environment variable TESSERA_BIN names,
    or from PATH.

    Raises a ToolError of the class of the exit code, and ToolNotFound."""
    command = [find(tool, folder), *(os.fspath(one) for one in arguments), *_words(options)]
    data: dict[str, Any] = {"stdin": subprocess.DEVNULL if input is None else input}
    if isinstance(input, (bytes, bytearray, memoryview)):
        data = {"input": input}
    elif input is not None and not _has_descriptor(input):
        data = {"input": input.read()}
    ended = subprocess.run(command, capture_output=True, check=False, **data)
    messages = ended.stderr.decode(errors="replace")
    if ended.returncode != 0:
        raise tool_error(tool, ended.returncode, messages)
    return Result(ended.stdout, messages)


@contextmanager
def stream(tool: str, *arguments: Path, folder: Path | None = None, **options: Option) -> Iterator[IO[bytes]]:
    """Runs a tool and gives its standard output to be read while it runs, in bounded memory.

        with stream("tokenize", "images", tokenizer="tokenizer.tensors.zst") as output:
            for batch in iterate_tokens(output): ...

    An error of the tool is raised at the end of the block, also in place of the FormatError of a product that ends too
    early. A tool whose product is not read to its end, or whose block raises another exception, is ended, which is no
    error."""
    command = [find(tool, folder), *(os.fspath(one) for one in arguments), *_words(options)]
    # A file, because a pipe for messages that nobody reads would stop a tool that has many.
    with tempfile.TemporaryFile() as messages, subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=messages) as process:
        assert process.stdout is not None
        failure: BaseException | None = None
        try:
            yield process.stdout
        except BaseException as error:
            failure = error
        # A product that ends too early is a consequence of the tool's error; of other failures the tool knows nothing.
        at_end = (failure is None or isinstance(failure, FormatError)) and not process.stdout.read(1)
        process.stdout.close()
        if not at_end:
            process.terminate()
        code = process.wait()
        if code != 0 and at_end:
            messages.seek(0)
            raise tool_error(tool, code, messages.read().decode(errors="replace")) from failure
        if failure:
            raise failure


def _has_descriptor(file: BinaryIO) -> bool:
    """Whether the system can read it: a BytesIO is in this program alone."""
    try:
        file.fileno()
    except (AttributeError, OSError):
        return False
    return True


def find(tool: str, folder: Path | None = None) -> str:
    """The path of a tool."""
    given = folder or os.environ.get("TESSERA_BIN")
    found = shutil.which(tool, path=os.fspath(given) if given else None)
    if found is None:
        raise ToolNotFound(f"{tool}: no such tool in {given or 'PATH'}; "
                           "try: make install, or TESSERA_BIN=FOLDER/.build/release")
    return found


def _words(options: dict[str, Option]) -> Iterator[str]:
    for name, value in options.items():
        flag = "--" + name.strip("_").replace("_", "-")
        for one in value if isinstance(value, (list, tuple)) else [value]:
            if one is True:
                yield flag
            elif one is not None and one is not False:
                yield f"{flag}={os.fspath(one) if isinstance(one, os.PathLike) else one}"
