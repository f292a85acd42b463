"""Files of records: reading them one by one, and writing them so that they appear whole or not at all."""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import BinaryIO

import zstandard

from .arrays import Tensor
from .errors import Defect, FormatError, Origin, Path
from .frames import FRAME_MAGIC, Content, Input, frame_pieces, plain_pieces
from .header import HEADER_LIMIT, encode_header, parse_header
from .records import Record
from .shards import SHARD_KEY, Shard, ShardSequence
from .streams import (
    StreamCounts,
    cut_skippable,
    end_mark,
    foreign_bytes,
    is_end_mark,
    is_skippable,
    listed_count,
    promises_end_mark,
)

File = Path | BinaryIO


def read_records(file: File, *, only: Collection[str] | None = None) -> Iterator[Record]:
    """The records of a file, one after the other: a path, or a binary stream such as `sys.stdin.buffer`.

    A record comes after the checksum of its frame was verified, and the iterator ends after the end mark was. One
    record is in memory at a time.

    only: names of the tensors to keep; the others are read and verified, and have no data. `only=()` gives the headers.

    Raises FormatError for a defect of the file, and OSError where it cannot be read."""
    if isinstance(file, (str, os.PathLike)):
        with open(file, "rb") as stream:
            yield from _records(Input(stream, os.fspath(file)), only)
    else:
        yield from _records(Input(file, _name(file)), only)


def read_record(file: File, *, only: Collection[str] | None = None) -> Record:
    """The only record of a file. Raises FormatError (streamMismatch) for a second one."""
    found: Record | None = None
    for record in read_records(file, only=only):
        if found is not None:
            raise FormatError(Defect.STREAM_MISMATCH, record.origin, expected="one record", found="a second one",
                              hint="give a file of one record; concatenate only tokens and features")
        found = record
    if found is None:
        raise FormatError(Defect.NO_RECORD, Origin(_name(file)), expected="at least one record", found="none",
                          hint="make the file again")
    return found


def _name(file: File) -> str:
    if isinstance(file, (str, os.PathLike)):
        return os.fspath(file)
    name = getattr(file, "name", None)
    return name if isinstance(name, str) else "-"


def _records(source: Input, only: Collection[str] | None) -> Iterator[Record]:
    counts, shards, number = StreamCounts(), ShardSequence(), 0
    while True:
        origin = Origin(source.name, number, source.offset)
        start = source.peek(9)
        if not start:
            _expect_end(source, counts)
            shards.finish(Origin(source.name, offset=source.offset))
            return
        if len(start) < 4 and source.offset > 0:
            raise cut_skippable(origin, "the magic number of a frame")
        if start[:4] == FRAME_MAGIC:
            content, framed = Content(frame_pieces(source, origin), origin), True
        elif len(start) >= 4 and is_skippable(int.from_bytes(start[:4], "little")):
            _pass_skippable(source, counts, shards)
            continue
        elif source.offset == 0 and start[8:] == b"{":
            content, framed = Content(plain_pieces(source), origin), False
        else:
            raise foreign_bytes(start, origin)
        record, promised = _parse(content, origin, only)
        counts.add(record.item_count, promised and framed)
        shapes = {info.name: info.shape for info in record.infos}
        shards.add(Shard.of(record.metadata, origin), listed_count(record.metadata.get("kind"), shapes), origin,
                   record.metadata)
        number += 1
        yield record


def _parse(content: Content, origin: Origin, only: Collection[str] | None) -> tuple[Record, bool]:
    """The record, and whether it says that an end mark follows."""
    length = int.from_bytes(content.read(8, "the header's length"), "little")
    if length > HEADER_LIMIT:
        raise FormatError(
            Defect.HEADER_TOO_LARGE, origin, expected=f"a header of at most {HEADER_LIMIT} bytes", found=str(length),
            hint="check that this is a safetensors file; make it again if it should be")
    metadata, infos = parse_header(bytes(content.read(length, "the header")), origin)
    promised = metadata.pop("end_mark", None) is not None
    tensors = {}
    for info in infos:
        keep = only is None or info.name in only
        data = content.read(info.byte_count, f"tensor '{info.name}'", keep=keep)
        tensors[info.name] = Tensor(info, data if keep else None)
    content.expect_end()
    return Record(metadata, tensors, origin), promised


def _pass_skippable(source: Input, counts: StreamCounts, shards: ShardSequence) -> None:
    place, head = Origin(source.name, offset=source.offset), source.peek(36)
    if is_end_mark(head):
        counts.close(head, place)
        shards.close(place)
    size = 8 + int.from_bytes(head[4:8], "little")
    if len(head) < 8 or source.skip(size) < size:
        raise cut_skippable(place)


def _expect_end(source: Input, counts: StreamCounts) -> None:
    if source.offset == 0:
        raise FormatError(Defect.EMPTY_FILE, Origin(source.name), expected="a tensor file", found="no bytes at all",
                          hint="make the file again; the tool that wrote it may have failed")
    counts.expect_closed(Origin(source.name, offset=source.offset))


# The files that this program is writing.
_targets: set[str] = set()
_targets_lock = threading.Lock()


class _NewFile:
    """A file that takes its place at the end: until then the data is in `PATH.partial-PID` beside it. It has the mode
    of the file that it replaces, as a file of the tools has. A path that names a pipe or a device is written to
    directly: it must never be replaced by a file."""

    def __init__(self, path: Path) -> None:
        self.target = os.path.realpath(path)
        with _targets_lock:
            if self.target in _targets:
                raise FileExistsError(f"{os.fspath(path)}: this program is writing the file already; "
                                      "try: another name for each thread")
            _targets.add(self.target)
        try:
            self._begin()
        except BaseException:
            self._end()
            raise

    def _end(self) -> None:
        with _targets_lock:
            _targets.discard(self.target)

    def _begin(self) -> None:
        self._partial = f"{self.target}.partial-{os.getpid()}"
        replaced = os.stat(self.target).st_mode if os.path.exists(self.target) else None
        self._direct = replaced is not None and not stat.S_ISREG(replaced)
        # As the tools, also for who may write to it all the same.
        if replaced is not None and not self._direct and not replaced & 0o222:
            raise PermissionError(errno.EACCES, "expected a file to write; found a write-protected one; "
                                  "try: another name, or chmod u+w", self.target)
        # Until it has the mode of the file that it replaces, nobody else may open it.
        mode = 0o666 if replaced is None else 0o600
        self.stream: BinaryIO = open(self.target if self._direct else self._partial, "wb",  # noqa: SIM115
                                     opener=lambda path, flags: os.open(path, flags, mode))
        if replaced is not None and not self._direct:
            # Some file systems have no modes.
            with suppress(OSError):
                os.fchmod(self.stream.fileno(), stat.S_IMODE(replaced))

    def close(self, *, keep: bool) -> None:
        try:
            if keep and not self._direct:
                self.stream.flush()
                os.fsync(self.stream.fileno())
            self.stream.close()
            if keep and not self._direct:
                os.replace(self._partial, self.target)
        finally:
            if not self._direct and os.path.exists(self._partial):
                os.unlink(self._partial)
            self._end()


class RecordWriter:
    """Writes records, one zstd frame each with a checksum, and the end mark. Records of several shards become the parts
    that they were: each shard is closed by a mark of its own.

        with RecordWriter("features.tensors.zst") as writer:
            writer.write(record)

    A path gets the file when the block ends without an error. A binary stream, such as `sys.stdout.buffer`, is written
    to directly and stays open. Records are written inside of the block only.

    Threads may share a writer: each record is written whole, after those whose calls had their turn before. Where the
    order matters, as it does for shards, one thread writes. A record of which only a part could be written, on a full
    disk for example, makes the block fail, also where its thread tells nobody."""

    def __init__(self, file: File, *, level: int = 3) -> None:
        self._level = level
        self._records = self._items = 0
        self._shard: str | None = None
        self._target = file
        self._file: _NewFile | None = None
        self._open: BinaryIO | None = None
        self._lock = threading.Lock()
        self._is_whole = True

    @property
    def _stream(self) -> BinaryIO:
        if self._open is None:
            raise ValueError("a RecordWriter writes inside of its block: with RecordWriter(file) as writer")
        return self._open

    def write(self, record: Record) -> None:
        metadata = {key: text for key, text in record.metadata.items() if key != "end_mark"}
        if promises_end_mark(metadata.get("kind")):
            metadata["end_mark"] = "required"
        header, order = encode_header(metadata, record.infos)
        # What is wrong with a record must show before a part of it is written.
        parts = [header, *(record.tensors[info.name].stored for info in order)]
        with self._lock:
            stream = self._stream
            self._require_whole()
            self._is_whole = False
            if self._records and metadata.get(SHARD_KEY) != self._shard:
                self._end_part()
            self._shard = metadata.get(SHARD_KEY)
            size = len(header) + sum(info.byte_count for info in order)
            frame = zstandard.ZstdCompressor(level=self._level, write_checksum=True).compressobj(size=size)
            for part in parts:
                stream.write(frame.compress(part))
            stream.write(frame.flush())
            self._records += 1
            self._items += record.item_count
            self._is_whole = True

    def _require_whole(self) -> None:
        if not self._is_whole:
            raise ValueError("a record was written in part only, so that nothing can follow it; try: write all again")

    def _end_part(self) -> None:
        self._stream.write(end_mark(self._records, self._items))
        self._records = self._items = 0

    def __enter__(self) -> RecordWriter:
        with self._lock:
            if self._open is not None:
                raise ValueError("a RecordWriter that has a block already cannot begin another one in it")
            # Of an earlier block, which may have failed.
            self._records, self._items, self._shard, self._is_whole = 0, 0, None, True
            if isinstance(self._target, (str, os.PathLike)):
                self._file = _NewFile(self._target)
                self._open = self._file.stream
            else:
                self._open = self._target
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        # A record that another thread is writing comes to its end first.
        with self._lock:
            try:
                if error is None:
                    self._require_whole()
                    self._end_part()
                    self._stream.flush()
            except BaseException:
                if self._file:
                    self._file.close(keep=False)
                raise
            finally:
                self._open = None
            if self._file:
                self._file.close(keep=error is None)


def write_records(file: File, records: Iterable[Record], *, level: int = 3) -> None:
    """Writes a file of records; they may come from a generator, and one is in memory at a time."""
    with RecordWriter(file, level=level) as writer:
        for record in records:
            writer.write(record)


def write_plain(path: Path, record: Record) -> None:
    """Writes a file of one record without compression, which every safetensors library reads."""
    header, order = encode_header({k: v for k, v in record.metadata.items() if k != "end_mark"}, record.infos)
    parts = [record.tensors[info.name].stored for info in order]
    file, whole = _NewFile(path), False
    try:
        file.stream.write(header)
        for part in parts:
            file.stream.write(part)
        whole = True
    finally:
        file.close(keep=whole)
