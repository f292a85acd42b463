"""Token files: images as tokens, with their classes (docs/formats.md, "tokens")."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from .arrays import Array, bounded, require_bounded
from .container import File, RecordWriter, read_records
from .errors import MEMORY, Defect, FormatError, Origin
from .records import LARGEST_SIZE, Record, sorted_json
from .shards import SHARD_KEY

MOST_TOKENS = 1 << 16
"""The most tokens that an image may have."""
MOST_SCALES = 64
"""The most grids of tokens that an image may have."""


@dataclass(frozen=True)
class TokenHeader:
    """What all records of a token file agree on."""

    vocab_size: int
    rows: int
    columns: int
    codebook_sha256: str
    num_classes: int
    class_names: tuple[str, ...] = ()
    views: tuple[str, ...] = ("center",)
    layout: str = "raster"
    """`raster`: one grid, row by row; `scales`: several square grids, one after the other."""
    scales: tuple[int, ...] = ()
    """The sides of the grids of the layout `scales`, ascending; the last is that of the grid."""

    def __post_init__(self) -> None:
        if not (1 <= self.vocab_size <= LARGEST_SIZE and 1 <= self.num_classes <= LARGEST_SIZE):
            raise ValueError(f"expected vocab_size and num_classes from 1 to {LARGEST_SIZE}; "
                             f"found {self.vocab_size} and {self.num_classes}")
        if not (self.rows >= 1 and self.columns >= 1 and self.rows * self.columns <= MOST_TOKENS):
            raise ValueError(f"expected a grid of 1 to {MOST_TOKENS} tokens; found {self.rows} x {self.columns}")
        if len(self.class_names) not in (0, self.num_classes) or not self.views:
            raise ValueError(f"expected no class name or {self.num_classes}, and at least one view; "
                             f"found {len(self.class_names)} names, {len(self.views)} views")
        if self.layout not in ("raster", "scales"):
            raise ValueError(f"expected the layout raster or scales; found {self.layout}")
        if (self.layout == "raster" and self.scales) or (
                self.layout == "scales" and not _fit(self.scales, self.rows, self.columns)):
            raise ValueError(f"expected scales of the layout {self.layout} on a grid of {self.rows} x {self.columns}; "
                             f"found {self.scales}")

    @classmethod
    def of(cls, record: Record) -> TokenHeader:
        """The header of a record. Raises FormatError for one that is no token record or is incomplete."""
        record.require_kind("tokens")
        rows, columns = _grid(record)
        layout = record.metadata.get("layout", "raster")
        if layout not in ("raster", "scales"):
            raise record.bad("layout", "raster or scales")
        scales = _scales(record, rows, columns) if layout == "scales" else ()
        num_classes = record.integer("num_classes", 1, LARGEST_SIZE)
        class_names = record.names("class_names") if "class_names" in record.metadata else ()
        if len(class_names) not in (0, num_classes):
            raise record.bad("class_names", f"{num_classes} names, as num_classes says")
        views = record.names("views")
        if not views:
            raise record.bad("views", "a list of at least one name")
        return cls(record.integer("vocab_size", 1, LARGEST_SIZE), rows, columns, record.text("codebook_sha256"),
                   num_classes, class_names, views, layout, scales)

    @property
    def metadata(self) -> dict[str, str]:
        return {
            "vocab_size": str(self.vocab_size), "grid": f"{self.rows}x{self.columns}",
            "codebook_sha256": self.codebook_sha256, "num_classes": str(self.num_classes),
            "class_names": sorted_json(self.class_names), "views": sorted_json(self.views), "layout": self.layout,
            **({"scales": sorted_json(self.scales)} if self.scales else {}),
        }

    @property
    def tokens_per_view(self) -> int:
        return sum(side * side for side in self.scales) or self.rows * self.columns


def _grid(record: Record) -> tuple[int, int]:
    sizes = [int(word) if word.isascii() and word.isdigit() and len(word) < 6 else 0
             for word in record.text("grid").split("x")]
    if len(sizes) != 2 or min(sizes) < 1 or sizes[0] * sizes[1] > MOST_TOKENS:
        raise record.bad("grid", f"rows x columns, such as 16x16, of at most {MOST_TOKENS} tokens")
    return sizes[0], sizes[1]


def _fit(scales: object, rows: int, columns: int) -> bool:
    """Whether a list has the sides of square grids, ascending to that of the last one."""
    if not isinstance(scales, (list, tuple)) or not all(type(side) is int and side >= 1 for side in scales):
        return False
    ascends = all(low < high for low, high in pairwise(scales))
    return (ascends and 1 <= len(scales) <= MOST_SCALES and rows == columns == scales[-1]
            and sum(side * side for side in scales) <= MOST_TOKENS)


def _scales(record: Record, rows: int, columns: int) -> tuple[int, ...]:
    scales = record.json("scales")
    if not _fit(scales, rows, columns):
        raise record.bad("scales", f"at most {MOST_SCALES} ascending sides, the last that of the grid {rows}x{columns}")
    return tuple(scales)


def _no_places() -> Array:
    return np.zeros(0, np.uint32)


@dataclass
class Tokens:
    """The tokens and labels of some images."""

    header: TokenHeader
    tokens: Array
    """Shape [images, views, tokens_per_view], of any integer type; row by row from the top left, grid after grid."""
    labels: Array
    """The class of each image: shape [images]."""
    skipped: Array = field(default_factory=_no_places)
    """Places, ascending, of images that were listed and could not be used, among all that were listed."""
    metadata: dict[str, str] = field(default_factory=dict)
    """All metadata of the record: also `provenance` and `sampling`, where there are such."""

    def __len__(self) -> int:
        return len(self.labels)

    @classmethod
    def of(cls, record: Record) -> Tokens:
        """The tokens of a record, checked to be within the vocabulary and the classes."""
        header, origin = TokenHeader.of(record), record.origin
        stored = record.tensor("tokens", (None, len(header.views), header.tokens_per_view))
        images = stored.info.shape[0]
        tokens = bounded(stored, header.vocab_size, origin)
        labels = bounded(record.tensor("labels", (images,)), header.num_classes, origin)
        skipped = _no_places()
        if "skipped" in record.tensors:
            places = record.tensor("skipped", (None,))
            skipped = bounded(places, images + places.info.shape[0], origin)
            _require_ascending(skipped, origin)
        return cls(header, tokens, labels, skipped, record.metadata)

    def record(self) -> Record:
        """The record, in the types that the tools write. Raises FormatError for tokens or labels out of range."""
        header, images = self.header, len(self.labels)
        shape = (images, len(header.views), header.tokens_per_view)
        for name, array, wanted in (("tokens", self.tokens, shape), ("labels", self.labels, (images,))):
            if array.shape != wanted or array.dtype.kind not in "iu":
                raise ValueError(f"{name}: expected integers of shape {list(wanted)}; "
                                 f"found {array.dtype} of shape {list(array.shape)}")
        require_bounded("tokens", self.tokens, header.vocab_size)
        require_bounded("labels", self.labels, header.num_classes)
        arrays = {"tokens": self.tokens.astype(np.uint32 if header.vocab_size > 65536 else np.uint16),
                  "labels": self.labels.astype(np.uint32)}
        if len(self.skipped):
            require_bounded("skipped", self.skipped, images + len(self.skipped))
            _require_ascending(self.skipped, MEMORY)
            arrays["skipped"] = self.skipped.astype(np.uint32)
        return Record.of_kind("tokens", {**self.metadata, **header.metadata}, arrays)


def _require_ascending(places: Array, origin: Origin) -> None:
    if (places[1:] <= places[:-1]).any():
        raise FormatError(Defect.VALUE_OUT_OF_RANGE, origin, expected="places in 'skipped' that ascend", found="others",
                          hint="tokenize the images again")


def iterate_tokens(file: File) -> Iterator[Tokens]:
    """The records of a token file, about a thousand images each. Raises FormatError for a defect, and (streamMismatch)
    for a record of another codebook, vocabulary, grid, list of views or of classes than the first."""
    first: TokenHeader | None = None
    for record in read_records(file):
        batch = Tokens.of(record)
        first = first or batch.header
        _require_same(first, batch.header, record.origin)
        yield batch
    if first is None:
        raise FormatError(Defect.NO_RECORD, Origin(str(getattr(file, "name", file))), found="none",
                          expected="at least one record of tokens", hint="make the file again")


def read_tokens(file: File) -> Tokens:
    """All images of a token file together, in the smallest type that the file has; the metadata is that of the first
    record, without `shard` where all shards are there."""
    batches = list(iterate_tokens(file))
    metadata = dict(batches[0].metadata)
    if batches[-1].metadata.get(SHARD_KEY) != metadata.get(SHARD_KEY):
        metadata.pop(SHARD_KEY, None)
    listed, skipped = 0, []
    for batch in batches:
        skipped.append(batch.skipped.astype(np.int64) + listed)
        listed += len(batch) + len(batch.skipped)
    return Tokens(batches[0].header, np.concatenate([batch.tokens for batch in batches]),
                  np.concatenate([batch.labels for batch in batches]), np.concatenate(skipped).astype(np.uint32),
                  metadata)


def write_tokens(file: File, batches: Tokens | Iterable[Tokens], *, images_per_record: int = 1024) -> None:
    """Writes a token file. Batches may come from a generator, and have one header; each becomes a record, and a single
    `Tokens` is cut into records of about a thousand images."""
    with RecordWriter(file) as writer:
        first: TokenHeader | None = None
        for batch in _cut(batches, images_per_record) if isinstance(batches, Tokens) else batches:
            first = first or batch.header
            _require_same(first, batch.header, MEMORY)
            writer.write(batch.record())
        if first is None:
            raise ValueError("expected at least one batch; one without images makes a file without images")


def _cut(whole: Tokens, images: int) -> Iterator[Tokens]:
    if images < 1:
        raise ValueError(f"expected at least one image per record; found {images}")
    if len(whole.tokens) != len(whole.labels):
        raise ValueError(f"expected a label for each of {len(whole.tokens)} images; found {len(whole.labels)}")
    listed = np.delete(np.arange(len(whole) + len(whole.skipped)), whole.skipped)
    for begin in range(0, max(1, len(whole)), images):
        end = begin + images
        # The first place that belongs to this record, and the first that belongs to the next one.
        low = 0 if begin == 0 else int(listed[begin - 1]) + 1
        high = int(listed[end - 1]) + 1 if end < len(whole) else len(listed) + len(whole.skipped)
        skipped = whole.skipped[(whole.skipped >= low) & (whole.skipped < high)] - np.uint32(low)
        yield Tokens(whole.header, whole.tokens[begin:end], whole.labels[begin:end], skipped, whole.metadata)


def _require_same(first: TokenHeader, other: TokenHeader, origin: Origin) -> None:
    here, there = first.metadata, other.metadata
    for key in sorted(here):
        if here[key] != there[key]:
            raise FormatError(
                Defect.STREAM_MISMATCH, origin, expected=f"{key} as in the first record, {here[key][:80]}",
                found=there[key][:80],
                hint="concatenate only token files made with one tokenizer and the same options")
