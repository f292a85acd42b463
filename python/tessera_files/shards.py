"""Shards: parts of a whole that several runs have written (docs/formats.md, "Shards")."""

from __future__ import annotations

import json
from dataclasses import dataclass

from .errors import Defect, FormatError, Origin

SHARD_KEY = "shard"
MOST_SHARDS = 1 << 20
MOST_ITEMS = 1 << 48
_HINT = "cat the files of all shards, each once, in the order of their numbers (by name, -10 comes before -2)"


@dataclass(frozen=True)
class Shard:
    """The place of a file among the shards of a whole."""

    number: int
    """From 1."""
    count: int
    first: int
    """Number of items that are listed before this shard's."""
    total: int
    """Number of items that the whole lists."""

    def __str__(self) -> str:
        return f"shard {self.number} of {self.count}"

    @classmethod
    def of(cls, metadata: dict[str, str], origin: Origin) -> Shard | None:
        """The shard that a record is a part of, or None. Raises FormatError (badMetadata)."""
        text = metadata.get(SHARD_KEY)
        if text is None:
            return None
        try:
            fields = json.loads(text)
            values = [fields[name] for name in ("number", "count", "first", "total")]
        except (ValueError, KeyError, TypeError, RecursionError):
            values = []
        if (len(values) == 4 and all(type(value) is int for value in values)
                and 1 <= values[0] <= values[1] <= MOST_SHARDS and 0 <= values[2] <= values[3] <= MOST_ITEMS):
            return cls(*values)
        raise FormatError(
            Defect.BAD_METADATA, origin,
            expected=f"metadata '{SHARD_KEY}' to be a number from 1 to count, at most {MOST_SHARDS}, and first from "
                     f"0 to total, at most {MOST_ITEMS}",
            found=f"'{text[:80]}'", hint="docs/formats.md says how it is written")


class ShardSequence:
    """Checks that shards which follow one another are those of a whole: 1 to n, each once and in order. A shard that is
    alone may be any."""

    def __init__(self) -> None:
        self._parts = self._end = 0
        self._previous: Shard | None = None
        self._current: Shard | None = None
        self._open = False

    def add(self, shard: Shard | None, listed: int, origin: Origin) -> None:
        """Adds a record to the part that is open, or opens one."""
        if not self._open:
            self._require_next(shard, origin)
            self._current, self._open, self._end = shard, True, shard.first if shard else 0
        if shard != self._current:
            raise _mismatch(f"{_words(self._current)}, as in the record before", _words(shard), origin)
        self._end += listed

    def close(self, origin: Origin) -> None:
        """Closes the part, as an end mark does."""
        if not self._open:
            return
        own = self._current
        if own and (self._end != own.total if own.number == own.count else self._end > own.total):
            raise _mismatch(f"items {own.first} to {own.total} of the whole in {own}",
                            f"{self._end - own.first} items", origin)
        self._previous, self._current, self._open = own, None, False
        self._parts += 1

    def finish(self, origin: Origin) -> None:
        """Checks that the file may end here."""
        self.close(origin)
        last = self._previous
        if last and last.number < last.count and self._parts > 1:
            raise _mismatch(f"shard {last.number + 1} of {last.count}", "the end of the file", origin)

    def _require_next(self, shard: Shard | None, origin: Origin) -> None:
        last = self._previous
        if self._parts == 0:
            return
        if self._parts == 1 and last and last.number > 1:
            raise _mismatch(f"shard 1 of {last.count} before {last}", "no part before it", origin)
        if not last or last.number == last.count:
            if shard and shard.number > 1:
                raise _mismatch(f"shard 1 of {shard.count}", str(shard), origin)
            return
        if not shard or (shard.number, shard.count) != (last.number + 1, last.count):
            raise _mismatch(f"shard {last.number + 1} of {last.count}", _words(shard), origin)
        if (shard.first, shard.total) != (self._end, last.total):
            raise _mismatch(f"{shard} to begin at item {self._end} of {last.total}",
                            f"item {shard.first} of {shard.total}", origin,
                            "make all shards anew by one version of the inputs and options")


def _words(shard: Shard | None) -> str:
    return str(shard) if shard else "a part that is no shard"


def _mismatch(expected: str, found: str, origin: Origin, hint: str = _HINT) -> FormatError:
    return FormatError(Defect.SHARD_MISMATCH, origin, expected=expected, found=found, hint=hint)
