"""What can be wrong with a file: the same classes, places and texts as the tools have."""

from __future__ import annotations

import os
import unicodedata
from dataclasses import dataclass
from enum import Enum


class Defect(Enum):
    """The kinds of defect, one for each check that a reader makes. The names are those of `FormatError.swift`."""

    EMPTY_FILE = "emptyFile"
    NOT_A_CONTAINER = "notAContainer"
    TRUNCATED_FRAME = "truncatedFrame"
    MISSING_END_MARK = "missingEndMark"
    END_MARK_MISMATCH = "endMarkMismatch"
    CORRUPT_FRAME = "corruptFrame"
    CHECKSUM_MISMATCH = "checksumMismatch"
    WINDOW_TOO_LARGE = "windowTooLarge"
    TRUNCATED_RECORD = "truncatedRecord"
    TRAILING_BYTES = "trailingBytes"
    HEADER_TOO_LARGE = "headerTooLarge"
    HEADER_NOT_JSON = "headerNotJSON"
    BAD_SHAPE = "badShape"
    TENSOR_TOO_LARGE = "tensorTooLarge"
    OVERLAP = "overlap"
    GAP = "gap"
    UNKNOWN_ELEMENT_TYPE = "unknownElementType"
    DUPLICATE_NAME = "duplicateName"
    MISSING_TENSOR = "missingTensor"
    WRONG_SHAPE = "wrongShape"
    UNEXPECTED_TENSOR = "unexpectedTensor"
    WRONG_TYPE = "wrongType"
    MISSING_METADATA = "missingMetadata"
    BAD_METADATA = "badMetadata"
    WRONG_KIND = "wrongKind"
    UNSUPPORTED_VERSION = "unsupportedVersion"
    VALUE_OUT_OF_RANGE = "valueOutOfRange"
    STREAM_MISMATCH = "streamMismatch"
    NO_RECORD = "noRecord"
    SHARD_MISMATCH = "shardMismatch"

    @property
    def phrase(self) -> str:
        """The name in words: `truncatedFrame` is "truncated frame"."""
        special = {Defect.NOT_A_CONTAINER: "not a tensor file",
                   Defect.HEADER_NOT_JSON: "header is not as JSON should be"}
        words = "".join(" " + letter.lower() if letter.isupper() else letter for letter in self.value)
        return special.get(self, words)


@dataclass(frozen=True)
class Origin:
    """Where a record came from, so that an error found long after reading can still name the place."""

    file: str
    record: int | None = None
    """Number of the record in the file, from 0."""
    offset: int | None = None
    """Byte in the file as stored (compressed), at which the record starts or the defect was met."""

    def __str__(self) -> str:
        place = self.file
        if self.record is not None:
            place += f": record {self.record}"
        if self.offset is not None:
            place += f": byte {self.offset}" if self.record is None else f" at byte {self.offset}"
        return place


MEMORY = Origin("(in memory)")
"""The origin of records that were made by this program and not read."""


class FormatError(ValueError):
    """A defect of a file's content: what is wrong, where, what was expected, what was found, what to try."""

    def __init__(self, defect: Defect, origin: Origin, *, expected: str, found: str, hint: str) -> None:
        self.defect, self.origin = defect, origin
        self.expected, self.found, self.hint = expected, found, hint
        # Names in a file may be of any length and have any characters; what a person is told may not.
        super().__init__(visible(f"{origin}: {defect.phrase}; expected {shortened(expected, 200)}; "
                                 f"found {shortened(found, 130)}; try: {shortened(hint, 130)}"))

    @property
    def file(self) -> str:
        return self.origin.file

    def __reduce__(self) -> tuple[object, ...]:
        # Exceptions travel between the processes of a data loader by pickle.
        return (_restored, (self.defect, self.origin, self.expected, self.found, self.hint))


def _restored(defect: Defect, origin: Origin, expected: str, found: str, hint: str) -> FormatError:
    return FormatError(defect, origin, expected=expected, found=found, hint=hint)


def shortened(text: str, limit: int) -> str:
    """At most so many characters of a text, the last three dots where some are missing."""
    return text if len(text) <= limit else text[:limit - 3] + "..."


def visible(text: str) -> str:
    """The text with control characters replaced, so that no file's content can move a terminal's cursor."""
    return "".join("\N{REPLACEMENT CHARACTER}" if unicodedata.category(c) in ("Cc", "Cs") else c for c in text)


Path = str | os.PathLike[str]
