"""Models, tokenizers and networks (docs/formats.md, "ar-model", "fine-model", "var-model", "tokenizer", "network")."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .arrays import Array, Tensor, bounded, finite, require_shape
from .container import File, read_record, write_records
from .errors import Defect, FormatError
from .model_shapes import config_problem, grid_codes, parameter_shapes
from .records import LARGEST_SIZE, Record, sorted_json

MODEL_KINDS = ("ar-model", "fine-model", "var-model", "tokenizer", "network")
CODEBOOK = "quantize.embedding.weight"


@dataclass
class Model:
    """A model, tokenizer or network: sizes and weights."""

    kind: str
    """One of `MODEL_KINDS`."""
    config: dict[str, Any]
    """The sizes; docs/formats.md lists the keys of each kind."""
    weights: dict[str, Array]
    """Every parameter by its name in the file; a fine model also has `fine_to_coarse`."""
    metadata: dict[str, str] = field(default_factory=dict)
    """The other keys that the kind needs, such as `codebook_sha256`."""

    @classmethod
    def of(cls, record: Record) -> Model:
        """A model of a record: every parameter is there in its shape, finite, and nothing else."""
        kind = record.require_kind(*MODEL_KINDS)
        config = record.json("config")
        problem = config_problem(kind, config)
        if problem:
            raise record.bad("config", problem)
        _check_keys(kind, config, record)
        shapes = parameter_shapes(kind, config)
        if shapes is not None:
            _check_names(record, shapes)
        weights = {name: bounded(tensor, config["input_vocab_size"], record.origin) if name == "fine_to_coarse"
                   else finite(tensor, record.origin) for name, tensor in record.tensors.items()}
        if kind in ("tokenizer", "var-model"):
            _check_codebook(record, weights[CODEBOOK])
        if kind == "tokenizer":
            _check_grid(record, config, weights[CODEBOOK])
        return cls(kind, config, weights, record.metadata)

    @property
    def codebook(self) -> Array:
        """The codes of a tokenizer or a var-model: [codes, dimensions], as float32."""
        if self.kind not in ("tokenizer", "var-model"):
            raise ValueError(f"a file of kind {self.kind} has no codebook")
        return self.weights[CODEBOOK].astype(np.float32, copy=False)

    def record(self) -> Record:
        """The record, its weights as F32. Raises FormatError for what a reader would refuse."""
        arrays: dict[str, Array | Tensor] = {
            name: np.asarray(values).astype(np.uint32 if name == "fine_to_coarse" else np.float32)
            for name, values in self.weights.items()}
        metadata = {**self.metadata, "config": sorted_json(self.config)}
        if self.kind in ("tokenizer", "var-model"):
            metadata["codebook_sha256"] = codebook_sha256(self.codebook)
        record = Record.of_kind(self.kind, metadata, arrays)
        Model.of(record)
        return record


def codebook_sha256(codes: Array) -> str:
    """What token files, mappings and models are matched by: SHA-256 of the codes as float32, in order."""
    return hashlib.sha256(np.ascontiguousarray(codes, "<f4").tobytes()).hexdigest()


def _check_keys(kind: str, config: dict[str, Any], record: Record) -> None:
    if kind == "network":
        return
    record.text("codebook_sha256")
    if kind == "tokenizer":
        return
    names = record.names("class_names")
    if len(names) not in (0, config["num_classes"]):
        raise record.bad("class_names", f"{config['num_classes']} names, as num_classes says")
    if kind == "fine-model":
        record.text("coarse_codebook_sha256")
        record.integer("cluster_mask", 0, 1)
        return
    size = record.integer("cluster_size", 0, LARGEST_SIZE)
    if size and config["vocab_size"] % size:
        raise record.bad("cluster_size", f"a divisor of the {config['vocab_size']} codes")


def _check_names(record: Record, shapes: dict[str, tuple[int, ...]]) -> None:
    for name, shape in shapes.items():
        require_shape(record.tensor(name).info, shape, record.origin)
    unknown = next((name for name in record.tensors if name not in shapes), None)
    if unknown is not None:
        raise FormatError(
            Defect.UNEXPECTED_TENSOR, record.origin, expected="only the parameters that the configuration names",
            found=f"a tensor {unknown}", hint="check that the configuration belongs to these weights")


def _check_codebook(record: Record, codes: Array) -> None:
    actual = codebook_sha256(codes)
    if record.text("codebook_sha256") != actual:
        raise FormatError(
            Defect.BAD_METADATA, record.origin, expected=f"codebook_sha256 {actual}, the hash of the codebook",
            found=record.text("codebook_sha256"),
            hint="the file was put together from parts that do not belong together")


def _check_grid(record: Record, config: dict[str, Any], codes: Array) -> None:
    grid = grid_codes(config)
    if grid is None:
        return
    found = codes.astype(np.float32)
    if not np.array_equal(found[np.lexsort(found.T)], grid[np.lexsort(grid.T)]):
        raise FormatError(
            Defect.VALUE_OUT_OF_RANGE, record.origin,
            expected=f"in {CODEBOOK} each code of {config['quantizer']['kind']} once", found="other numbers",
            hint="the codes of such a tokenizer can be put into another order, but not changed")


def read_model(file: File) -> Model:
    return Model.of(read_record(file))


def write_model(file: File, model: Model) -> None:
    write_records(file, [model.record()])
