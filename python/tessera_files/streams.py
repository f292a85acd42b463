"""End marks, and what may stand where a frame should begin (docs/formats.md, "The stream")."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from .errors import Defect, FormatError, Origin

MARK_MAGIC = 0x184D2A5E
MARK_TAG = b"TESSERAEND"
MARK_BYTES = 36
_UNPROMISED = {"tokenizer", "ar-model", "fine-model", "var-model", "network", "mapping"}


def promises_end_mark(kind: str | None) -> bool:
    """Whether a record of the kind says that its stream closes with a mark. A model is one record, whole by its
    checksum, and must survive being rewritten by programs that know nothing of end marks."""
    return kind not in _UNPROMISED


def item_count(kind: str | None, shapes: dict[str, tuple[int, ...]]) -> int:
    """Tokens and features count their rows; any other record is one item."""
    names = {"tokens": ("tokens", "labels"), "features": ("features",)}.get(kind or "", ())
    shape = next((shapes[name] for name in names if name in shapes), ())
    return shape[0] if shape else 1


def listed_count(kind: str | None, shapes: dict[str, tuple[int, ...]]) -> int:
    """How many items were listed for a record: its own, and images that were skipped; of logits alone their rows."""
    if kind == "features" and "features" not in shapes and shapes.get("logits"):
        return shapes["logits"][0]
    skipped = shapes.get("skipped") if kind == "tokens" else None
    return item_count(kind, shapes) + (skipped[0] if skipped else 0)


def end_mark(records: int, items: int) -> bytes:
    """The skippable frame that closes a stream."""
    return struct.pack("<II10sHQQ", MARK_MAGIC, MARK_BYTES - 8, MARK_TAG, 1, records, items)


def is_skippable(magic: int) -> bool:
    """Any of the sixteen magic numbers that zstd leaves to applications."""
    return magic & 0xFFFFFFF0 == 0x184D2A50


def is_end_mark(head: bytes) -> bool:
    return head[:4] == struct.pack("<I", MARK_MAGIC) and head[8:18] == MARK_TAG


@dataclass
class StreamCounts:
    """Counts since the last end mark, or since the start."""

    records: int = 0
    items: int = 0
    promised: bool = False
    streams: int = 0
    """End marks so far."""

    def add(self, items: int, promised: bool) -> None:
        self.records += 1
        self.items += items
        self.promised = self.promised or promised

    def close(self, mark: bytes, origin: Origin) -> None:
        """Checks an end mark against the counts, and sets them to 0."""
        if len(mark) < MARK_BYTES:
            raise cut_skippable(origin)
        _, length, _, version, records, items = struct.unpack("<II10sHQQ", mark)
        if (version, length) != (1, MARK_BYTES - 8):
            raise FormatError(
                Defect.UNSUPPORTED_VERSION, origin, expected="an end mark of version 1 with 28 bytes",
                found=f"version {version} with {length}", hint="read the file with a newer Tessera")
        if (records, items) != (self.records, self.items):
            raise FormatError(
                Defect.END_MARK_MISMATCH, origin, expected=f"{records} records with {items} items",
                found=f"{self.records} with {self.items}",
                hint="copy or make the file again; records of it are missing")
        self.records, self.items, self.promised = 0, 0, False
        self.streams += 1

    def expect_closed(self, origin: Origin) -> None:
        """Checks that the file may end here: after a mark, or after one record that was never promised one."""
        if self.records == 0 and self.streams == 0:
            raise FormatError(Defect.NO_RECORD, origin, expected="at least one record", found="none",
                              hint="make the file again")
        if self.records > 1 or self.promised or (self.records and self.streams):
            raise FormatError(
                Defect.MISSING_END_MARK, origin, expected=f"an end mark after {self.records} records",
                found="the end of the file", hint="copy or make the file again, it was probably cut short; a program "
                "that writes such files must close them with an end mark")


def cut_skippable(origin: Origin, what: str = "a whole skippable frame") -> FormatError:
    return FormatError(Defect.TRUNCATED_FRAME, origin, expected=what, found="the end of the file within it",
                       hint="copy or make the file again; it was cut short")


_KNOWN = [
    (b"\x1f\x8b", "gzip data", "decompress it with gzip -d first"),
    (b"\xfd7zX", "xz data", "decompress it with xz -d first"),
    (b"PK", "a zip archive", "a PyTorch checkpoint must be converted to safetensors first"),
    (b"\x93NUMPY", "a NumPy array", "convert it to safetensors first"),
    (b"\x89PNG", "a PNG image", "give the image to tokenize, and its output to this program"),
    (b"\xff\xd8\xff", "a JPEG image", "give the image to tokenize, and its output to this program"),
]


def foreign_bytes(start: bytes, origin: Origin) -> FormatError:
    """The error for bytes where a frame should begin, with a guess at what they are."""
    at_start = origin.offset == 0
    hint = ("check that this is the file you meant" if at_start
            else "copy or make the file again; bytes of it have changed")
    found, hint = next(((what, try_) for prefix, what, try_ in _KNOWN if start.startswith(prefix)),
                       ("bytes " + start[:4].hex(" "), hint))
    return FormatError(
        Defect.NOT_A_CONTAINER if at_start else Defect.CORRUPT_FRAME, origin,
        expected="a zstd frame" + (" or a safetensors header" if at_start else ""), found=found, hint=hint)
