"""Files of features: what a network computed of images (docs/formats.md, "features")."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from .arrays import Array, floating, require_shape, wrong_type
from .container import File, read_record, read_records, write_records
from .errors import Defect, FormatError
from .records import Record

_MATRICES = ("features", "spatial", "logits")


@dataclass
class Features:
    """Features of some images."""

    features: Array
    """Shape [images, features]."""
    network: str = "unnamed"
    weights_sha256: str | None = None
    resize: str | None = None
    """How the images were brought to the network's size."""
    spatial: Array | None = None
    """For sFID: [images, 2023]."""
    logits: Array | None = None
    """For the inception score: [images, classes]."""
    pixels_sha256: Array | None = None
    """Hashes of the images' pixels: U8 [images, 32]."""
    metadata: dict[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.features)

    @classmethod
    def of(cls, record: Record) -> Features:
        record.require_kind("features")
        matrices = {name: floating(record.tensor(name, (None, None)), record.origin)
                    for name in _MATRICES if name in record.tensors or name == "features"}
        rows = len(matrices["features"])
        for name in matrices:
            require_shape(record.tensors[name].info, (rows, None), record.origin)
        hashes = None
        if "pixels_sha256" in record.tensors:
            stored = record.tensor("pixels_sha256", (rows, 32))
            if stored.info.dtype != "U8":
                raise wrong_type(stored.info, "U8", record.origin)
            hashes = stored.array
        return cls(matrices["features"], *_identity(record), matrices.get("spatial"), matrices.get("logits"), hashes,
                   record.metadata)

    def record(self) -> Record:
        matrices = {"features": self.features, "spatial": self.spatial, "logits": self.logits}
        arrays = {name: array for name, array in matrices.items() if array is not None}
        if self.pixels_sha256 is not None:
            arrays["pixels_sha256"] = self.pixels_sha256
        return _checked(Features, _described(self, arrays))


@dataclass
class Statistics:
    """Mean and covariance of features, in place of them."""

    mean: Array
    """Shape [features]."""
    covariance: Array
    """Shape [features, features], over n - 1."""
    images: int | None = None
    network: str = "unnamed"
    weights_sha256: str | None = None
    resize: str | None = None
    spatial_mean: Array | None = None
    spatial_covariance: Array | None = None
    metadata: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, record: Record) -> Statistics:
        record.require_kind("features")
        images = record.integer("images", 2, 2**63 - 1) if "images" in record.metadata else None
        (mean, covariance), (network, weights, resize) = _gaussian(record, ""), _identity(record)
        spatial = _gaussian(record, "spatial_") if "spatial_mean" in record.tensors else (None, None)
        return cls(mean, covariance, images, network, weights, resize, spatial[0], spatial[1], record.metadata)

    @classmethod
    def of_features(cls, features: Array, *, network: str = "unnamed", resize: str | None = None,
                    weights_sha256: str | None = None) -> Statistics:
        """The statistics of features [images, features], in float64."""
        values = np.asarray(features, np.float64)
        return cls(values.mean(axis=0), np.atleast_2d(np.cov(values, rowvar=False)), len(values), network,
                   weights_sha256, resize)

    def record(self) -> Record:
        named = {"mean": self.mean, "covariance": self.covariance, "spatial_mean": self.spatial_mean,
                 "spatial_covariance": self.spatial_covariance}
        record = _described(self, {name: array for name, array in named.items() if array is not None})
        if self.images is not None:
            record.metadata["images"] = str(self.images)
        return _checked(Statistics, record)


def _checked(kind: type[Features] | type[Statistics], record: Record) -> Record:
    """What a reader would refuse must not be written."""
    kind.of(record)
    return record


def _described(one: Features | Statistics, arrays: dict[str, Array]) -> Record:
    known = {"network": one.network, "weights_sha256": one.weights_sha256, "resize": one.resize}
    words = {key: value for key, value in known.items() if value is not None}
    return Record.of_kind("features", {**one.metadata, **words}, arrays)


def _identity(record: Record) -> tuple[str, str | None, str | None]:
    return (record.metadata.get("network", "unnamed"), record.metadata.get("weights_sha256"),
            record.metadata.get("resize"))


def _gaussian(record: Record, prefix: str) -> tuple[Array, Array]:
    mean = record.tensor(prefix + "mean", (None,))
    size = mean.info.shape[0]
    covariance = record.tensor(prefix + "covariance", (size, size))
    return floating(mean, record.origin), floating(covariance, record.origin)


def iterate_features(file: File) -> Iterator[Features]:
    """The records of a file of features. Raises FormatError (streamMismatch) for a record of another network."""
    first: tuple[str, str | None, str | None] | None = None
    for record in read_records(file):
        batch = Features.of(record)
        first = first or _identity(record)
        if _identity(record) != first:
            raise FormatError(
                Defect.STREAM_MISMATCH, record.origin, found=f"{batch.network} or other weights",
                expected=f"features of network {first[0]} as in the first record",
                hint="concatenate only files of one network")
        yield batch


def read_statistics(file: File) -> Statistics:
    return Statistics.of(read_record(file))


def write_features(file: File, batches: Features | Statistics | Iterable[Features]) -> None:
    """Writes a file of features, or of statistics. Batches may come from a generator; each becomes a record."""
    if isinstance(batches, (Features, Statistics)):
        write_records(file, [batches.record()])
    else:
        write_records(file, (batch.record() for batch in batches))
