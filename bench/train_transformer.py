#!/usr/bin/env python3
"""Optimiser steps of LlamaGen's transformer in PyTorch: forward, backward, clipping, AdamW, dropout 0.1.

The rows have the shapes and batches of tessera-bench's. bfloat16 is torch.autocast.
"""

from dataclasses import dataclass

import measure
import torch
from models.transformer import PARAMETERS, SHAPES, SMALL, Transformer, class_dropped, optimizer_of, token_loss


@dataclass(frozen=True)
class Row:
    size: str
    batch: int


ROWS = {"train-6x256": Row("6x256", 64), "train-8x384": Row("8x384", 8), "train-GPT-B": Row("GPT-B", 4)}


class Training:
    """A model with its optimiser, and a batch of random tokens."""

    def __init__(self, options, shape, batch):
        self.model = Transformer(shape, dropout=0.1).train()
        self.optimizer = optimizer_of(self.model, 1e-4)
        self.labels = torch.randint(shape.classes, (batch,))
        self.tokens = torch.randint(shape.codes, (batch, shape.side ** 2))
        self.loss = measure.compiled(options, token_loss)
        self.rounds = options.precision == "bfloat16"

    def step(self):
        labels = class_dropped(self.labels, self.model.shape.classes, 0.1)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.rounds):
            loss = self.loss(self.model, labels, self.tokens)
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()


def main():
    options = measure.parser(__doc__, ROWS).parse_args()
    peer = measure.start_torch(options)
    for name in options.rows:
        row = ROWS[name]
        shape, batch = (SMALL, 2) if options.small else (SHAPES[row.size], row.batch)
        training = Training(options, shape, batch)
        measure.check_parameters(options, name, PARAMETERS[row.size], training.model)
        measure.measure(options, peer, name, "tokens", training.tokens.numel(), training.step)


if __name__ == "__main__":
    main()
