#!/usr/bin/env python3
"""Optimiser steps of a VQ tokenizer of 32-pixel images in PyTorch, as LlamaGen trains its tokenizers.

train-tokenizer-32 is trained on pixels, codebook and commitment; train-adversarial-32 also against a discriminator
(hinge, adaptive weight, both optimisers take a step). Batches have 32 images. bfloat16 is torch.autocast.
"""

import measure
import torch
import torch._functorch.config
from models.autoencoder import PARAMETERS, PIXELS32, Autoencoder, Shape
from models.discriminator import Discriminator, adaptive_weight, discriminator_loss, generator_loss
from models.transformer import optimizer_of
from torch.nn import functional

# Whether there is a discriminator.
ROWS = {"train-tokenizer-32": False, "train-adversarial-32": True}
DISCRIMINATOR_PARAMETERS = 167_841
SMALL = Shape(channels=8, multipliers=(1, 2), residual_blocks=1, z_channels=8, codes=32, groups=4)
# Of both parts of the adversarial loss.
WEIGHT = 0.5


class Training:
    """An autoencoder with its optimiser, a batch of random images, and the discriminator's part where there is one."""

    def __init__(self, options, shape, images, side, adversarial):
        memory = torch.contiguous_format if options.contiguous else torch.channels_last
        self.model = Autoencoder(shape).train().to(memory_format=memory)
        self.discriminator = Discriminator(32, 2).train().to(memory_format=memory) if adversarial else None
        self.optimizer = optimizer_of(self.model, 1e-4)
        self.opponent = optimizer_of(self.discriminator, 1e-4, decay=0.0) if adversarial else None
        self.batch = (torch.rand(images, 3, side, side) * 2 - 1).to(memory_format=memory)
        self.reconstruct = measure.compiled(options, self.model)
        self.judge = measure.compiled(options, self.discriminator) if adversarial else None
        self.rounds = options.precision == "bfloat16"

    def step(self):
        with torch.autocast("cpu", torch.bfloat16, enabled=self.rounds):
            images, quantizer_loss = self.reconstruct(self.batch)
            pixels = functional.mse_loss(images.float(), self.batch)
            loss = pixels + quantizer_loss
            if self.discriminator is not None:
                loss = loss + self.adversarial_loss(images, pixels)
        self.optimizer.zero_grad()
        loss.backward()
        self.take_step(self.optimizer, self.model)
        if self.discriminator is not None:
            self.train_discriminator(images.detach())

    def adversarial_loss(self, images, pixels):
        """The generator's part; at the decoder's last layer its gradient is as long as that of the pixels."""
        self.discriminator.requires_grad_(False)
        loss = generator_loss(self.judge(images).float())
        last = self.model.decoder.conv_out.weight
        gradients = (torch.autograd.grad(term, last, retain_graph=True)[0] for term in (pixels, loss))
        return WEIGHT * adaptive_weight(*gradients) * loss

    def train_discriminator(self, images):
        self.discriminator.requires_grad_(True)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.rounds):
            loss = WEIGHT * discriminator_loss(self.judge(self.batch).float(), self.judge(images).float())
        self.opponent.zero_grad()
        loss.backward()
        self.take_step(self.opponent, self.discriminator)

    @staticmethod
    def take_step(optimizer, model):
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()


def main():
    options = measure.image_parser(__doc__, ROWS).parse_args()
    peer = measure.start_torch(options)
    if options.compile and hasattr(torch._functorch.config, "donated_buffer"):
        # The adaptive weight goes through a graph that is kept for the backward pass.
        torch._functorch.config.donated_buffer = False
    for name in options.rows:
        shape, images, side = (SMALL, 2, 16) if options.small else (PIXELS32, 32, 32)
        training = Training(options, shape, images, side, adversarial=ROWS[name])
        models, expected = [training.model], PARAMETERS[PIXELS32]
        if training.discriminator is not None:
            models, expected = [*models, training.discriminator], expected + DISCRIMINATOR_PARAMETERS
        measure.check_parameters(options, name, expected, *models)
        measure.measure(options, peer, name, "images", images, training.step)


if __name__ == "__main__":
    main()
