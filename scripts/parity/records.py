"""Reads and writes Tessera's files (docs/formats.md) with zstandard and safetensors, independently of the suite."""

import json

import numpy as np
import zstandard
from safetensors.numpy import load, save


def read_record(path):
    """The metadata and the arrays of the first record of a file."""
    with open(path, "rb") as file:
        blob = zstandard.ZstdDecompressor().stream_reader(file).read()
    header = json.loads(blob[8:8 + int.from_bytes(blob[:8], "little")])
    return header.get("__metadata__", {}), load(blob)


def write_record(path, metadata, arrays):
    """Writes a file of one record, closed by an end mark."""
    items = len(next((arrays[name] for name in ("tokens", "features") if name in arrays), [0]))
    blob = save({name: np.ascontiguousarray(values) for name, values in arrays.items()}, metadata)
    with open(path, "wb") as file:
        file.write(zstandard.ZstdCompressor(write_checksum=True).compress(blob))
        file.write(b"\x5e\x2a\x4d\x18\x1c\0\0\0TESSERAEND\1\0")
        file.write((1).to_bytes(8, "little") + items.to_bytes(8, "little"))
