"""The header of a record (docs/formats.md, "The record"). This module needs nothing but Python's standard library, so
that scripts which run without numpy can write a record too."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

from .errors import Defect, FormatError, Origin

ELEMENT_BYTES = {
    "U8": 1, "I8": 1, "BOOL": 1, "U16": 2, "I16": 2, "F16": 2, "BF16": 2,
    "U32": 4, "I32": 4, "F32": 4, "U64": 8, "I64": 8, "F64": 8,
}
HEADER_LIMIT = 100_000_000
TENSOR_LIMIT = 1 << 40
DEPTH_LIMIT = 64
_INTEGER_LIMIT = 2**63


@dataclass(frozen=True)
class TensorInfo:
    """What a record's header says of one tensor."""

    name: str
    dtype: str
    """One of `ELEMENT_BYTES`."""
    shape: tuple[int, ...]

    @property
    def byte_count(self) -> int:
        return ELEMENT_BYTES[self.dtype] * prod(self.shape)


# MARK: writing

def encode_header(metadata: Mapping[str, str], tensors: Iterable[TensorInfo]) -> tuple[bytes, list[TensorInfo]]:
    """The length and the JSON of a header, and the tensors in the order in which their data must follow: by falling
    element size, then by name. Equal content gives the bytes that the tools write."""
    for key, text in metadata.items():
        if not isinstance(key, str) or not isinstance(text, str):
            raise TypeError(f"metadata {key!r}: expected a string; found {type(text).__name__}; "
                            "try: str, or sorted_json for a list")
    order = sorted(tensors, key=lambda t: (-ELEMENT_BYTES[t.dtype], t.name.encode()))
    fields: dict[str, Any] = {"__metadata__": dict(sorted(metadata.items()))} if metadata else {}
    end = 0
    _require_distinct(tensor.name for tensor in order)
    for tensor in order:
        if tensor.name == "__metadata__":
            raise ValueError(f"a tensor named {tensor.name}")
        begin, end = end, end + tensor.byte_count
        fields[tensor.name] = {"dtype": tensor.dtype, "shape": list(tensor.shape), "data_offsets": [begin, end]}
    encoded = json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()
    encoded += b" " * (-len(encoded) % 8)
    return len(encoded).to_bytes(8, "little") + encoded, order


def _require_distinct(names: Iterable[str]) -> None:
    """Two spellings of one name in Unicode, such as \u00e9 as one character and as two, are one name to the tools."""
    known: set[str] = set()
    for name in names:
        spelling = name if name.isascii() else unicodedata.normalize("NFC", name)
        if spelling in known:
            raise ValueError(f"two tensors named {name}")
        known.add(spelling)


def encode_record(metadata: Mapping[str, str], tensors: Mapping[str, tuple[str, tuple[int, ...], bytes]]) -> bytes:
    """A whole record, uncompressed, from (type, shape, little-endian bytes) by name."""
    infos = [TensorInfo(name, dtype, shape) for name, (dtype, shape, _) in tensors.items()]
    for info in infos:
        if len(tensors[info.name][2]) != info.byte_count:
            raise ValueError(f"tensor {info.name}: expected {info.byte_count} bytes")
    header, order = encode_header(metadata, infos)
    return b"".join([header, *(tensors[info.name][2] for info in order)])


# MARK: reading

def parse_header(text: bytes, origin: Origin) -> tuple[dict[str, str], list[TensorInfo]]:
    """The metadata, and the tensors in the order of their data, which tile the data area exactly."""
    if text[:1] != b"{":
        raise _no_header("a text that does not begin with '{'", origin)
    fields = _parse_json(text, origin)
    metadata = _strings(fields.pop("__metadata__", {}), origin)
    entries = sorted((_entry(name, value, origin) for name, value in fields.items()),
                     key=lambda entry: (entry[0], entry[1], entry[2].name))
    cursor = 0
    for begin, end, info in entries:
        if begin != cursor:
            raise FormatError(
                Defect.OVERLAP if begin < cursor else Defect.GAP, origin,
                expected=f"tensor '{info.name}' to begin at data byte {cursor}", found=str(begin),
                hint="write the file again with a safetensors library; its offsets are wrong")
        cursor = end
    return metadata, [info for _, _, info in entries]


class _Refused(Exception):
    """Why a JSON text is no header."""


class _Duplicate(Exception):
    """A key stands twice in one object."""


class _Inexact(str):
    """A number that is not written as an integer of at most 64 bits."""


def _integer(text: str) -> int | _Inexact:
    value = int(text) if len(text) < 24 else _INTEGER_LIMIT
    return value if -_INTEGER_LIMIT <= value < _INTEGER_LIMIT else _Inexact(text)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [key for key, _ in pairs]
        raise _Duplicate(next(name for name in found if names.count(name) > 1))
    return found


def _no_constant(text: str) -> None:
    raise _Refused(f"{text}, which is no JSON")


def _parse_json(text: bytes, origin: Origin) -> dict[str, Any]:
    try:
        words = text.decode("utf-8")
        value = json.loads(words, object_pairs_hook=_unique, parse_int=_integer, parse_float=_Inexact,
                           parse_constant=_no_constant)
        _check_depth(value)
        # Python reads half of a character, which no other encoding of the text could hold.
        if re.search(r"\\u[dD][89a-fA-F]", words):
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except _Duplicate as error:
        raise FormatError(
            Defect.DUPLICATE_NAME, origin, expected="each name once in the header",
            found=f"'{str(error)[:80]}' twice", hint="write the file again with different names") from None
    except RecursionError:
        raise _no_header(f"more than {DEPTH_LIMIT} levels", origin) from None
    except (UnicodeError, _Refused) as error:
        raise _no_header(str(error), origin) from None
    except json.JSONDecodeError as error:
        raise _no_header(f"{error.msg} at character {error.pos}", origin) from None
    assert isinstance(value, dict)
    return value


def _check_depth(value: object) -> None:
    level = [value]
    for _ in range(DEPTH_LIMIT + 1):
        level = [item for one in level if isinstance(one, (dict, list))
                 for item in (one.values() if isinstance(one, dict) else one)]
        if not level:
            return
    raise _Refused(f"more than {DEPTH_LIMIT} levels")


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a string", int: "a number", _Inexact: "a number",
             bool: "true or false", type(None): "null"}
    return names[type(value)]


def _strings(value: object, origin: Origin) -> dict[str, str]:
    if not isinstance(value, dict):
        raise _no_header(f"{_kind(value)} as '__metadata__', where an object should be", origin)
    for key, text in value.items():
        if type(text) is not str:
            raise _no_header(f"{_kind(text)} as metadata '{key[:80]}', where a string should be", origin)
    return value


def _entry(name: str, value: object, origin: Origin) -> tuple[int, int, TensorInfo]:
    if not isinstance(value, dict):
        raise _no_header(f"{_kind(value)} as tensor '{name[:80]}', where an object should be", origin)
    for key in ("dtype", "shape", "data_offsets"):
        if key not in value:
            raise _no_header(f"a tensor '{name[:80]}' without '{key}'", origin)
    dtype = value["dtype"]
    if type(dtype) is not str:
        raise _no_header(f"a tensor '{name[:80]}' whose 'dtype' is no string", origin)
    shape, offsets = _sizes(name, "shape", value, origin), _sizes(name, "data_offsets", value, origin)
    if dtype not in ELEMENT_BYTES:
        raise FormatError(
            Defect.UNKNOWN_ELEMENT_TYPE, origin, expected=f"tensor '{name}' of one of {', '.join(ELEMENT_BYTES)}",
            found=dtype, hint="convert the tensor to F32 or an integer type")
    if len(offsets) != 2 or not 0 <= offsets[0] <= offsets[1]:
        raise _bad_shape(name, "two ascending offsets", str(list(offsets)), origin)
    count = _byte_count(shape, dtype)
    if count is None:
        raise _bad_shape(name, "sizes of at least 0 with a product that fits", str(list(shape)), origin)
    if offsets[1] - offsets[0] != count:
        expected = f"{count} bytes for shape {list(shape)} of {dtype}"
        raise _bad_shape(name, expected, str(offsets[1] - offsets[0]), origin)
    if count > TENSOR_LIMIT:
        raise FormatError(
            Defect.TENSOR_TOO_LARGE, origin, expected=f"tensor '{name}' of at most {TENSOR_LIMIT} bytes",
            found=str(count), hint="the header is probably damaged; make the file again")
    return offsets[0], offsets[1], TensorInfo(name, dtype, shape)


def _byte_count(shape: tuple[int, ...], dtype: str) -> int | None:
    # An empty tensor may not have absurd sizes either: readers multiply some of them.
    count = ELEMENT_BYTES[dtype]
    for size in shape:
        count *= max(size, 1)
        if size < 0 or count >= _INTEGER_LIMIT:
            return None
    return 0 if 0 in shape else count


def _sizes(name: str, key: str, entry: dict[str, Any], origin: Origin) -> tuple[int, ...]:
    values = entry[key]
    if not isinstance(values, list):
        raise _no_header(f"{_kind(values)} as '{key}' of tensor '{name[:80]}', where a list should be", origin)
    if any(type(value) is not int for value in values):
        raise _no_header(f"a size in '{key}' of tensor '{name[:80]}' that is no integer of 64 bits", origin)
    return tuple(values)


def _bad_shape(name: str, expected: str, found: str, origin: Origin) -> FormatError:
    return FormatError(Defect.BAD_SHAPE, origin, expected=f"tensor '{name}' with {expected}", found=found,
                       hint="write the file again with a safetensors library; its header is wrong")


def _no_header(found: str, origin: Origin) -> FormatError:
    return FormatError(
        Defect.HEADER_NOT_JSON, origin, found=found,
        expected="a JSON object of tensors, each with dtype, shape and data_offsets",
        hint="copy or make the file again; it may not be a safetensors file")
