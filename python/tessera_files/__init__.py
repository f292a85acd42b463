"""Reads and writes the files of Tessera, and runs its tools. docs/formats.md has the formats, docs/languages.md
examples.

Names are loaded when they are first used, so that `tessera_files.header` and `tessera_files.run` work without numpy and
zstandard."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from .version import __version__

if TYPE_CHECKING:
    from .arrays import Tensor
    from .checkpoints import Checkpoint, read_checkpoint
    from .container import RecordWriter, read_record, read_records, write_plain, write_records
    from .dataset import TokenDataset
    from .errors import Defect, FormatError, Origin
    from .features import Features, Statistics, iterate_features, read_statistics, write_features
    from .header import TensorInfo
    from .logs import Log, read_log
    from .mappings import Mapping, read_mapping, write_mapping
    from .model_shapes import parameter_shapes
    from .models import Model, codebook_sha256, read_model, write_model
    from .records import Record
    from .tokens import TokenHeader, Tokens, iterate_tokens, read_tokens, write_tokens
    from .tools import (
        ClosedPipe,
        DataError,
        EndedBySignal,
        InputError,
        OutputError,
        Result,
        StreamError,
        ToolError,
        ToolNotFound,
        UsageError,
        run,
        stream,
    )

_MODULES = {
    "arrays": "Tensor",
    "checkpoints": "Checkpoint read_checkpoint",
    "container": "RecordWriter read_record read_records write_plain write_records",
    "dataset": "TokenDataset",
    "errors": "Defect FormatError Origin",
    "features": "Features Statistics iterate_features read_statistics write_features",
    "header": "TensorInfo",
    "logs": "Log read_log",
    "mappings": "Mapping read_mapping write_mapping",
    "model_shapes": "parameter_shapes",
    "models": "Model codebook_sha256 read_model write_model",
    "records": "Record",
    "tokens": "TokenHeader Tokens iterate_tokens read_tokens write_tokens",
    "tools": "ClosedPipe DataError EndedBySignal InputError OutputError Result StreamError ToolError ToolNotFound "
             "UsageError run stream",
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names.split()}

__all__ = [
    "Checkpoint",
    "ClosedPipe",
    "DataError",
    "Defect",
    "EndedBySignal",
    "Features",
    "FormatError",
    "InputError",
    "Log",
    "Mapping",
    "Model",
    "Origin",
    "OutputError",
    "Record",
    "RecordWriter",
    "Result",
    "Statistics",
    "StreamError",
    "Tensor",
    "TensorInfo",
    "TokenDataset",
    "TokenHeader",
    "Tokens",
    "ToolError",
    "ToolNotFound",
    "UsageError",
    "__version__",
    "codebook_sha256",
    "iterate_features",
    "iterate_tokens",
    "parameter_shapes",
    "read_checkpoint",
    "read_log",
    "read_mapping",
    "read_model",
    "read_record",
    "read_records",
    "read_statistics",
    "read_tokens",
    "run",
    "stream",
    "write_features",
    "write_mapping",
    "write_model",
    "write_plain",
    "write_records",
    "write_tokens",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_MODULE_OF[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)
