"""Tensors of files as numpy arrays."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import MEMORY, Defect, FormatError, Origin
from .header import TensorInfo

Array = NDArray[Any]

# BF16 has no type in numpy: its bits are those of the upper half of an F32.
NUMPY_TYPES = {
    "U8": "u1", "I8": "i1", "BOOL": "?", "U16": "<u2", "I16": "<i2", "F16": "<f2", "BF16": "<u2", "U32": "<u4",
    "I32": "<i4", "F32": "<f4", "U64": "<u8", "I64": "<i8", "F64": "<f8",
}
_NAMES = {np.dtype(code).newbyteorder("="): name for name, code in NUMPY_TYPES.items() if name != "BF16"}
FLOATING = ("F16", "BF16", "F32", "F64")


@dataclass(frozen=True)
class Tensor:
    """A tensor as it is stored. `array` gives its numbers."""

    info: TensorInfo
    data: bytes | bytearray | memoryview | None
    """Little-endian, row-major; None if the reader was told to leave it out."""

    @classmethod
    def of(cls, name: str, values: Array) -> Tensor:
        """An array as it is stored: in the type of the same name, little-endian."""
        dtype = _NAMES.get(values.dtype.newbyteorder("="))
        if dtype is None:
            raise TypeError(f"tensor {name}: expected an array of one of {', '.join(map(str, _NAMES))}; "
                            f"found {values.dtype}")
        stored = np.ascontiguousarray(values, np.dtype(NUMPY_TYPES[dtype]))
        return cls(TensorInfo(name, dtype, values.shape), stored.reshape(-1).view(np.uint8).data)

    @classmethod
    def bfloat16(cls, name: str, values: Array) -> Tensor:
        """Numbers rounded to BF16, to the nearest and ties to even; NaN stays NaN."""
        bits = np.ascontiguousarray(values, "<f4").reshape(-1).view("<u4")
        rounded = ((bits.astype(np.uint64) + 0x7FFF + (bits >> 16 & 1)) >> 16).astype("<u2")
        nan = (bits & 0x7FFFFFFF) > 0x7F800000
        rounded[nan] = (bits[nan] >> 16 | 0x40).astype("<u2")
        return cls(TensorInfo(name, "BF16", np.shape(values)), rounded.view(np.uint8).data)

    @property
    def stored(self) -> bytes | bytearray | memoryview:
        """The bytes, which are there unless the reader was told to leave them out."""
        if self.data is None:
            raise ValueError(f"tensor '{self.info.name}' was left out when the file was read")
        return self.data

    @property
    def array(self) -> Array:
        """The numbers, in the type of the file and without a copy; BF16 as float32, which holds each exactly."""
        values = np.frombuffer(self.stored, NUMPY_TYPES[self.info.dtype])
        if self.info.dtype == "BF16":
            values = (values.astype(np.uint32) << 16).view(np.float32)
        elif sys.byteorder == "big":
            values = values.astype(values.dtype.newbyteorder("="))
        return values.reshape(self.info.shape)


def require_shape(info: TensorInfo, shape: tuple[int | None, ...], origin: Origin) -> None:
    """Checks a shape in which None stands for any size."""
    if len(shape) != len(info.shape) or any(want not in (None, have) for want, have in zip(shape, info.shape)):
        wanted = ", ".join("any" if size is None else str(size) for size in shape)
        raise FormatError(Defect.WRONG_SHAPE, origin, expected=f"tensor '{info.name}' of shape [{wanted}]",
                          found=str(list(info.shape)), hint="give a file made with the same settings")


def bounded(tensor: Tensor, bound: int, origin: Origin) -> Array:
    """Integers, each checked to be from 0 to below a bound; the error names the first item that is not."""
    if tensor.info.dtype in FLOATING:
        raise wrong_type(tensor.info, "integers", origin)
    values = tensor.array
    require_bounded(tensor.info.name, values, bound, origin)
    return values


def require_bounded(name: str, values: Array, bound: int, origin: Origin = MEMORY) -> None:
    if values.size == 0 or (int(values.min()) >= 0 and int(values.max()) < bound):
        return
    wrong = int(np.flatnonzero((values < 0) | (values >= bound))[0])
    item = wrong // max(1, values[0].size)
    raise FormatError(
        Defect.VALUE_OUT_OF_RANGE, origin, expected=f"{name} of item {item} from 0 to {bound - 1}",
        found=str(values.reshape(-1)[wrong]),
        hint="make the file again with the codebook and classes it is meant for")


def floating(tensor: Tensor, origin: Origin) -> Array:
    """Real numbers of any floating-point type."""
    if tensor.info.dtype not in FLOATING:
        raise wrong_type(tensor.info, "floating point", origin)
    return tensor.array


def finite(tensor: Tensor, origin: Origin) -> Array:
    """Real numbers, none of them NaN or infinite."""
    values = floating(tensor, origin)
    if not np.isfinite(values).all():
        wrong = int(np.flatnonzero(~np.isfinite(values))[0])
        raise FormatError(
            Defect.VALUE_OUT_OF_RANGE, origin, expected=f"finite numbers in tensor '{tensor.info.name}'",
            found=f"{values.reshape(-1)[wrong]} as element {wrong}",
            hint="copy or make the file again; its weights are damaged")
    return values


def wrong_type(info: TensorInfo, expected: str, origin: Origin) -> FormatError:
    return FormatError(
        Defect.WRONG_TYPE, origin, expected=f"tensor '{info.name}' of {expected}", found=info.dtype,
        hint="show-file tells what the file holds; a file of another kind may have been given")
