"""Mappings between the codes of two codebooks: a new order, or fine codes to coarse labels (docs/formats.md)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import numpy as np

from .arrays import Array, bounded
from .container import File, read_record, write_records
from .errors import Defect, FormatError
from .records import LARGEST_SIZE, Record


@dataclass
class Mapping:
    """Where each code goes."""

    table: Array
    """The new code, or the coarse label, of each old code."""
    target_count: int
    """The number of codes or labels after."""
    source_codebook_sha256: str
    target_codebook_sha256: str
    is_permutation: bool
    cluster_size: int | None = None
    """Codes per cluster, if all are equal."""
    metadata: dict[str, str] = field(default_factory=dict)

    @classmethod
    def coarse(cls, labels: Array, source_codebook_sha256: str, *, count: int | None = None) -> Mapping:
        """A coarse label for each code. The target's hash is made of the source's and of the labels."""
        stored = np.ascontiguousarray(labels, "<u4")
        target = hashlib.sha256(source_codebook_sha256.encode() + stored.tobytes()).hexdigest()
        return cls(stored, count or int(stored.max()) + 1, source_codebook_sha256, target, False)

    @classmethod
    def permutation(cls, old_to_new: Array, source_codebook_sha256: str, target_codebook_sha256: str, *,
                    cluster_size: int | None = None) -> Mapping:
        """A new order of the codes: `old_to_new[old]` is the new code. The target's hash is that of the codebook in its
        new order."""
        return cls(np.asarray(old_to_new), len(old_to_new), source_codebook_sha256, target_codebook_sha256, True,
                   cluster_size)

    @classmethod
    def of(cls, record: Record) -> Mapping:
        """The mapping of a record. Raises FormatError for a permutation that is none, or a label out of range."""
        record.require_kind("mapping")
        hashes = record.text("source_codebook_sha256"), record.text("target_codebook_sha256")
        size = record.integer("cluster_size", 1, LARGEST_SIZE) if "cluster_size" in record.metadata else None
        if "fine_to_coarse" in record.tensors:
            count = record.integer("coarse_count", 1, LARGEST_SIZE)
            labels = bounded(record.tensor("fine_to_coarse", (None,)), count, record.origin)
            return cls(labels, count, *hashes, False, size, record.metadata)
        new_to_old = record.tensor("new_to_old", (None,))
        codes = new_to_old.info.shape[0]
        old_to_new = bounded(record.tensor("old_to_new", (codes,)), codes, record.origin)
        inverse = bounded(new_to_old, codes, record.origin)
        if not np.array_equal(inverse[old_to_new], np.arange(codes)):
            raise _no_permutation(record)
        if size and codes % size:
            raise record.bad("cluster_size", f"a divisor of the {codes} codes")
        return cls(old_to_new, codes, *hashes, True, size, record.metadata)

    @property
    def inverse(self) -> Array:
        """The old code of each new code, of a permutation."""
        if not self.is_permutation:
            raise ValueError("coarse labels have no inverse")
        return np.argsort(self.table)

    def record(self) -> Record:
        metadata = {**self.metadata, "source_codebook_sha256": self.source_codebook_sha256,
                    "target_codebook_sha256": self.target_codebook_sha256}
        if self.cluster_size is not None:
            metadata["cluster_size"] = str(self.cluster_size)
        table = np.asarray(self.table).astype(np.uint32)
        if not self.is_permutation:
            arrays = {"fine_to_coarse": table}
            metadata["coarse_count"] = str(self.target_count)
        else:
            arrays = {"old_to_new": table, "new_to_old": np.argsort(table).astype(np.uint32)}
        record = Record.of_kind("mapping", metadata, arrays)
        # What a reader would refuse must not be written.
        Mapping.of(record)
        return record


def _no_permutation(record: Record) -> FormatError:
    return FormatError(
        Defect.VALUE_OUT_OF_RANGE, record.origin, expected="old_to_new and new_to_old to be inverse to each other",
        found="a number twice or another order", hint="make the mapping again with rearrange-codebook")


def read_mapping(file: File) -> Mapping:
    return Mapping.of(read_record(file))


def write_mapping(file: File, mapping: Mapping) -> None:
    write_records(file, [mapping.record()])
