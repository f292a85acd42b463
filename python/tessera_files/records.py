"""A record: strings and named tensors, and the checks of its metadata that all kinds of file share."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .arrays import Array, Tensor, require_shape
from .errors import MEMORY, Defect, FormatError, Origin
from .header import TensorInfo
from .streams import item_count

KINDS = ("tokens", "tokenizer", "ar-model", "fine-model", "var-model", "mapping", "network", "features", "checkpoint")
VERSION = "1"
LARGEST_SIZE = 1 << 24
"""The most codes and the most classes that a file may name."""


@dataclass
class Record(Mapping[str, Array]):
    """One safetensors blob. As a mapping it gives the array of each tensor by name."""

    metadata: dict[str, str] = field(default_factory=dict)
    tensors: dict[str, Tensor] = field(default_factory=dict)
    origin: Origin = MEMORY

    @classmethod
    def of(cls, metadata: Mapping[str, str], arrays: Mapping[str, Array | Tensor]) -> Record:
        """A record made here."""
        tensors = {name: one if isinstance(one, Tensor) else Tensor.of(name, one) for name, one in arrays.items()}
        return cls(dict(metadata), tensors)

    @classmethod
    def of_kind(cls, kind: str, metadata: Mapping[str, str], arrays: Mapping[str, Array | Tensor]) -> Record:
        """A record of one of `KINDS`."""
        return cls.of({**metadata, "kind": kind, "version": VERSION}, arrays)

    def __getitem__(self, name: str) -> Array:
        return self.tensors[name].array

    def __iter__(self) -> Iterator[str]:
        return iter(self.tensors)

    def __len__(self) -> int:
        return len(self.tensors)

    @property
    def infos(self) -> list[TensorInfo]:
        """Names, types and shapes, also of tensors that were left out."""
        return [tensor.info for tensor in self.tensors.values()]

    @property
    def item_count(self) -> int:
        """What the record adds to the items of its stream: images, rows of features, or 1."""
        return item_count(self.metadata.get("kind"), {info.name: info.shape for info in self.infos})

    # MARK: checks

    def kind(self) -> str:
        """The kind of the record: one of `KINDS`, in a version that this package knows."""
        kind = self.text("kind")
        if kind not in KINDS:
            raise FormatError(Defect.WRONG_KIND, self.origin, expected=f"kind to be one of {', '.join(KINDS)}",
                              found=kind, hint="read the file with a newer Tessera")
        version = self.text("version")
        if version != VERSION:
            raise FormatError(Defect.UNSUPPORTED_VERSION, self.origin, expected=f"version {VERSION}", found=version,
                              hint="read the file with a newer Tessera")
        return kind

    def require_kind(self, *wanted: str) -> str:
        kind = self.kind()
        if kind not in wanted:
            raise FormatError(Defect.WRONG_KIND, self.origin, expected="a file of kind " + " or ".join(wanted),
                              found=kind, hint="check which file was given")
        return kind

    def tensor(self, name: str, shape: tuple[int | None, ...] | None = None) -> Tensor:
        """The tensor of a name, of a shape in which None stands for any size."""
        if name not in self.tensors:
            names = sorted(self.tensors)
            found = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
            raise FormatError(
                Defect.MISSING_TENSOR, self.origin, expected=f"a tensor '{name}'", found=found or "no tensor",
                hint="show-file tells what the file holds; a file of another kind may have been given")
        if shape is not None:
            require_shape(self.tensors[name].info, shape, self.origin)
        return self.tensors[name]

    def text(self, key: str) -> str:
        """A metadata string that must be there."""
        if key not in self.metadata:
            raise FormatError(
                Defect.MISSING_METADATA, self.origin, expected=f"metadata '{key}'",
                found=", ".join(sorted(self.metadata)) or "no metadata",
                hint="docs/formats.md lists what each kind of file needs")
        return self.metadata[key]

    def integer(self, key: str, low: int, high: int) -> int:
        """A metadata string that is a decimal integer in a range."""
        text = self.text(key)
        digits = text[1:] if text[:1] in ("+", "-") else text
        if not (digits.isascii() and digits.isdigit() and len(digits) < 20):
            raise self.bad(key, "an integer")
        if not low <= int(text) <= high:
            raise FormatError(
                Defect.VALUE_OUT_OF_RANGE, self.origin, expected=f"metadata '{key}' from {low} to {high}", found=text,
                hint="make the file again with a size in this range")
        return int(text)

    def json(self, key: str) -> Any:
        """A metadata string that is JSON."""
        text = self.text(key)
        try:
            return json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
        except (ValueError, RecursionError):
            raise self.bad(key, "JSON") from None

    def names(self, key: str) -> tuple[str, ...]:
        """A metadata string that is a JSON list of strings."""
        values = self.json(key)
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise self.bad(key, "a JSON list of strings")
        return tuple(values)

    def bad(self, key: str, expected: str) -> FormatError:
        return FormatError(
            Defect.BAD_METADATA, self.origin, expected=f"metadata '{key}' to be {expected}",
            found=f"'{self.metadata.get(key, '')[:80]}'", hint="docs/formats.md says how it is written")

    @property
    def provenance(self) -> list[dict[str, Any]]:
        """How the file was made, oldest first; an empty list for `--no-provenance`."""
        chain = self.json("provenance") if "provenance" in self.metadata else []
        if not isinstance(chain, list):
            raise self.bad("provenance", "a JSON list")
        return chain


def sorted_json(value: object) -> str:
    """JSON text as the tools write it: sorted keys, no spaces, no escapes but the needed ones."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key twice")
    return found


def _no_constant(text: str) -> None:
    raise ValueError(text)
