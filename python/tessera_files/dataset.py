"""A token file as a map-style data set of torch. Torch is loaded when it is first needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .container import File
from .tokens import read_tokens

if TYPE_CHECKING:
    import torch


class TokenDataset:
    """The images of a token file: `dataset[i]` is (tokens, label), int64 tensors of the shapes [rows * columns] and [].

    `torch.utils.data.DataLoader(TokenDataset("a.tokens.zst"), batch_size=64, shuffle=True)` gives batches. The tokens
    stay in memory in the type of the file: mostly two bytes per token, 0.5 KiB per view of 16 x 16 tokens. The
    processes of a loader share them after a fork.

    views: "first" gives the first view of each image; "random" one of its views, by torch's random numbers; "all" makes
    every view an item of its own, so that item i is view i % V of image i // V for V views."""

    def __init__(self, file: File, *, views: str = "first") -> None:
        if views not in ("first", "random", "all"):
            raise ValueError(f"expected views of 'first', 'random' or 'all'; found {views!r}")
        found = read_tokens(file)
        self.header = found.header
        self._views, self._tokens, self._labels = views, found.tokens, found.labels.astype(np.int64)

    def __len__(self) -> int:
        return len(self._labels) * (self._tokens.shape[1] if self._views == "all" else 1)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        import torch

        if not -len(self) <= index < len(self):
            raise IndexError(f"item {index} of {len(self)}")
        image, view = self._place(index % len(self), torch)
        tokens = self._tokens[image, view].astype(np.int64)
        return torch.from_numpy(tokens), torch.tensor(int(self._labels[image]))

    def _place(self, index: int, torch: Any) -> tuple[int, int]:
        count = self._tokens.shape[1]
        if self._views == "all":
            return index // count, index % count
        return index, int(torch.randint(count, ())) if self._views == "random" and count > 1 else 0
