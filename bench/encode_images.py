#!/usr/bin/env python3
"""One image of 256 x 256 to tokens and back in PyTorch: LlamaGen's VQ-16, and VAR's tokenizer of several scales.

bfloat16 is the format of all layers but the quantiser's.
"""

from dataclasses import dataclass, replace

import measure
import torch
from models.autoencoder import PARAMETERS, VAR256, VQ16, Autoencoder, Shape


@dataclass(frozen=True)
class Row:
    shape: Shape
    decodes: bool = False


ROWS = {"encode-VQ-16": Row(VQ16), "decode-VQ-16": Row(VQ16, decodes=True), "encode-VAR-256": Row(VAR256)}


def small(shape):
    return replace(shape, channels=8, groups=4, z_channels=8, codes=64, scales=(1, 2) if shape.scales else ())


def work_of(options, model, row, side, memory):
    """What is timed: an encoding or a decoding, without gradients."""
    if row.decodes:
        tokens = (torch.arange(side * side // 256) * 61 % model.shape.codes)[None]
        function, inputs = measure.compiled(options, model.images), (tokens, side // 16)
    else:
        kind = model.quant_conv.weight.dtype
        image = torch.full((1, 3, side, side), 0.1, dtype=kind).to(memory_format=memory)
        function, inputs = measure.compiled(options, model.tokens), (image,)

    def work():
        with torch.no_grad():
            function(*inputs)
    return work


def main():
    options = measure.image_parser(__doc__, ROWS).parse_args()
    peer = measure.start_torch(options)
    memory = torch.contiguous_format if options.contiguous else torch.channels_last
    kind = torch.bfloat16 if options.precision == "bfloat16" else torch.float32
    for name in options.rows:
        row = ROWS[name]
        shape, side = (small(row.shape), 32) if options.small else (row.shape, 256)
        model = Autoencoder(shape).eval()
        measure.check_parameters(options, name, PARAMETERS[row.shape], model)
        work = work_of(options, model.convert(kind, memory), row, side, memory)
        measure.measure(options, peer, name, "images", 1, work)


if __name__ == "__main__":
    main()
