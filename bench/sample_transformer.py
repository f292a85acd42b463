#!/usr/bin/env python3
"""Sampling from LlamaGen's transformer in PyTorch, with guidance 2 and a static cache, as LlamaGen and gpt-fast do.

The rows have the shapes and batches of tessera-bench's. In bfloat16 the whole model is bfloat16. int8 is torch's
dynamic quantisation of all linear layers: weights when the model is made, activations as they come. With --compile,
attention reads the whole cache under a mask, so that one piece of code serves all positions; otherwise it reads the
part that is filled.
"""

import sys
from dataclasses import dataclass

import measure
import torch
from models.transformer import PARAMETERS, SHAPES, SMALL, Transformer, generate


@dataclass(frozen=True)
class Row:
    size: str
    images: int


ROWS = {"sample-6x256": Row("6x256", 64), "sample-GPT-B": Row("GPT-B", 8), "sample-GPT-B-1": Row("GPT-B", 1)}


def converted(model, precision):
    """The model in a number format."""
    if precision == "int8":
        try:
            from torch.ao.quantization import quantize_dynamic
        except ImportError:
            sys.exit(f"sample_transformer: PyTorch {torch.__version__} has no torch.ao.quantization.quantize_dynamic; "
                     "--precision int8 needs an older one")
        return quantize_dynamic(model, {torch.nn.Linear}, dtype=torch.qint8)
    return model.to(torch.bfloat16) if precision == "bfloat16" else model


def main():
    parser = measure.parser(__doc__, ROWS, ("float32", "bfloat16", "int8"))
    options = parser.parse_args()
    if options.compile and options.precision == "int8":
        parser.error("--compile: torch.compile does not know the layers of dynamic quantisation (--precision int8)")
    peer = measure.start_torch(options)
    for name in options.rows:
        row = ROWS[name]
        shape, images = (SMALL, 2) if options.small else (SHAPES[row.size], row.images)
        model = Transformer(shape).eval()
        measure.check_parameters(options, name, PARAMETERS[row.size], model)
        model = converted(model, options.precision)
        labels = torch.arange(images) % shape.classes
        step = measure.compiled(options, model.step, fullgraph=True, dynamic=False)

        def draw(model=model, labels=labels, step=step):
            generate(model, labels, 2.0, step=step, whole_cache=options.compile)

        measure.measure(options, peer, name, "tokens", images * shape.side ** 2, draw)


if __name__ == "__main__":
    main()
