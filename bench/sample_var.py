#!/usr/bin/env python3
"""Sampling from VAR-d16 in PyTorch: tokens of images of 256 pixels, scale by scale with a cache, with guidance.

Settings are VAR's: guidance rises to 1.5 (2.5 as Tessera counts), top-k 900, top-p 0.96. In bfloat16 the whole
transformer is bfloat16; the quantiser and the draw are float32.
"""

import measure
import torch
from models import var
from models.autoencoder import VAR256
from models.scales import MultiScaleQuantizer

# Images of a batch.
ROWS = {"VAR-d16-1": 1, "VAR-d16-8": 8}
SMALL = var.Shape(2, 2, 32, 64, 8, (1, 2, 3), 10)


def main():
    options = measure.parser(__doc__, ROWS).parse_args()
    peer = measure.start_torch(options)
    shape = SMALL if options.small else var.D16
    for name in options.rows:
        images = min(ROWS[name], 2) if options.small else ROWS[name]
        model = var.Transformer(shape).eval()
        measure.check_parameters(options, name, var.D16_PARAMETERS, model)
        if options.precision == "bfloat16":
            model.to(torch.bfloat16)
        quantizer = MultiScaleQuantizer(SMALL if options.small else VAR256).eval()
        labels = torch.arange(images) * 97 % shape.classes
        # The scales differ in size: one piece of code for all of them.
        run = measure.compiled(options, model.run, dynamic=True)

        def draw(model=model, quantizer=quantizer, labels=labels, run=run):
            var.generate(model, quantizer, labels, 1.5, run=run)

        measure.measure(options, peer, name, "images", images, draw)


if __name__ == "__main__":
    main()
