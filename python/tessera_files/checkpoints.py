"""Checkpoints: how far a training has come. Their tensors are not meant for other programs (docs/formats.md)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .container import File, read_records
from .header import TensorInfo
from .records import Record


@dataclass(frozen=True)
class Checkpoint:
    """What the headers of a checkpoint say."""

    step: int
    """Finished steps."""
    settings: dict[str, Any]
    """All settings that decide the result."""
    tensors: tuple[TensorInfo, ...]

    @classmethod
    def of(cls, record: Record, tensors: tuple[TensorInfo, ...]) -> Checkpoint:
        record.require_kind("checkpoint")
        settings = record.json("settings")
        if not isinstance(settings, dict):
            raise record.bad("settings", "a JSON object")
        return cls(record.integer("step", 0, 2**63 - 1), settings, tensors)


def read_checkpoint(file: File) -> Checkpoint:
    """Step, settings and the shapes of a checkpoint; its data is verified and not kept."""
    records = list(read_records(file, only=()))
    return Checkpoint.of(records[0], tuple(info for record in records for info in record.infos))
