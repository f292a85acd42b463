"""Shards: parts of a whole that several runs have written (docs/formats.md, "Shards")."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from .errors import Defect, FormatError, Origin

SHARD_KEY = "shard"
MOST_SHARDS = 1 << 20
MOST_ITEMS = 1 << 48
_HINT = "cat the files of all shards, each once, in the order of their numbers (by name, -10 comes before -2)"


_NOTHING: Mapping[str, str] = MappingProxyType({})
_ANEW = "make all shards anew by one version of the inputs and options"


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
        self._run: _Run | None = None
        self._open = False

    def add(self, shard: Shard | None, listed: int, origin: Origin, metadata: Mapping[str, str] = _NOTHING) -> None:
        """Adds a record to the part that is open, or opens one. Its strings are those of the shard before."""
        if not self._open:
            self._require_next(shard, origin)
            run = _Run(metadata) if shard else None
            if run and shard and shard.number > 1:
                self._require_same(run, shard, origin)
                run = run.following(self._run)
            self._current, self._open, self._end, self._run = shard, True, shard.first if shard else 0, run
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
                            f"item {shard.first} of {shard.total}", origin, _ANEW)

    def _require_same(self, run: _Run, shard: Shard, origin: Origin) -> None:
        """Checks that a shard was made as the one before it was."""
        difference = self._run.difference(run) if self._run else None
        if difference:
            name, here, there = difference
            raise _mismatch(f"{shard} to have the {name} of the shard before, {here}", there, origin, _ANEW)


class _Run:
    """What the shards of one whole have in common: the strings of their records, and the runs that made them, where
    their provenance tells of it."""

    def __init__(self, metadata: Mapping[str, str]) -> None:
        self.strings = {key: text for key, text in metadata.items() if key not in (SHARD_KEY, "provenance")}
        chain = _parsed(metadata.get("provenance"))
        entries = chain if isinstance(chain, list) else []
        places = [place for place, entry in enumerate(entries) if _has_shard(entry)]
        # The runs up to that with --shard have read the same in all shards; those after it may have been done to each.
        self.runs: list[list[object]] | None = [
            [_compared(entry, True) for entry in entries[:places[-1] + 1]],
            [_compared(entry, False) for entry in entries[places[-1] + 1:]],
        ] if places else None

    def following(self, previous: _Run | None) -> _Run:
        """This shard, with the runs of the one before where it has no provenance of its own."""
        if self.runs is None and previous:
            self.runs = previous.runs
        return self

    def difference(self, other: _Run) -> tuple[str, str, str] | None:
        """The first thing in which another shard's run is not as this one: its name, and what it is in each of them."""
        for key in sorted({*self.strings, *other.strings}):
            here, there = self.strings.get(key), other.strings.get(key)
            if here != there:
                return _difference(_parsed(here), _parsed(there), key) or (key, here or "none", there or "none")
        if self.runs is None or other.runs is None:
            return None
        return (_difference(self.runs[0], other.runs[0], "run")
                or _difference(self.runs[1], other.runs[1], "later run"))


def _has_shard(entry: object) -> bool:
    arguments = entry.get("arguments") if isinstance(entry, dict) else None
    return isinstance(arguments, list) and any(
        isinstance(one, str) and (one == "--shard" or one.startswith("--shard=")) for one in arguments)


def _compared(entry: object, as_whole: bool) -> dict[str, object]:
    """What must be equal of a run. Settings have the seed in them where it matters; without settings nobody knows."""
    fields = entry if isinstance(entry, dict) else {}
    compared = {key: fields.get(key) for key in ("tool", "settings")}
    if as_whole:
        inputs = fields.get("inputs")
        if "settings" not in fields:
            compared["seed"] = fields.get("seed")
        # The same file may lie under another name on another machine.
        compared["inputs"] = [one.get("sha256") if isinstance(one, dict) else None for one in inputs] if isinstance(
            inputs, list) else None
    return compared


class _Number(str):
    """A number as it is written."""


def _parsed(text: str | None) -> object:
    """The value that a text is; one that is no JSON is a string."""
    if text is None:
        return None
    try:
        return json.loads(text, parse_float=_Number, parse_int=_Number, parse_constant=_Number)
    except (ValueError, RecursionError):
        return text


def _difference(here: object, there: object, place: str, depth: int = 0) -> tuple[str, str, str] | None:
    """The first place at which two values of JSON differ, and what is there in each. Hashes are of what was read from a
    file; of what came through a pipe there is none, and it may be the same."""
    if depth > 100:
        return None
    if isinstance(here, dict) and isinstance(there, dict):
        found = (_difference(here.get(key), there.get(key), f"{place}.{key}", depth + 1)
                 for key in sorted({*here, *there}))
    elif isinstance(here, list) and isinstance(there, list) and len(here) == len(there):
        found = (_difference(one, other, f"{place} {number}", depth + 1)
                 for number, (one, other) in enumerate(zip(here, there, strict=True), 1))
    elif ".inputs " in place and None in (here, there):
        return None
    else:
        same = type(here) is type(there) and here == there
        return None if same else (place, _shown(here), _shown(there))
    return next(filter(None, found), None)


def _shown(value: object) -> str:
    """A value as a message shows it."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_shown(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_shown, value)) + "]"
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _words(shard: Shard | None) -> str:
    return str(shard) if shard else "a part that is no shard"


def _mismatch(expected: str, found: str, origin: Origin, hint: str = _HINT) -> FormatError:
    return FormatError(Defect.SHARD_MISMATCH, origin, expected=expected, found=found, hint=hint)
