"""VQGAN's PatchGAN discriminator and the losses that are made with it, as LlamaGen trains its tokenizers."""

import torch
from torch import nn
from torch.nn import functional


class Discriminator(nn.Module):
    """4 x 4 kernels: some layers of stride 2 and two of stride 1; batch norm between all but the first and the last."""

    def __init__(self, channels=64, layers=3):
        super().__init__()
        parts = [nn.Conv2d(3, channels, 4, 2, 1), nn.LeakyReLU(0.2)]
        before = channels
        for layer in range(1, layers + 1):
            width = channels * min(2 ** layer, 8)
            parts += [nn.Conv2d(before, width, 4, 2 if layer < layers else 1, 1, bias=False), nn.BatchNorm2d(width),
                      nn.LeakyReLU(0.2)]
            before = width
        self.main = nn.Sequential(*parts, nn.Conv2d(before, 1, 4, 1, 1))
        for module in self.main:
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, 0, 0.02)
            elif isinstance(module, nn.BatchNorm2d):
                nn.init.normal_(module.weight, 1, 0.02)

    def forward(self, images):
        """A logit for each of many overlapping patches, above 0 for real ones."""
        return self.main(images)


def discriminator_loss(real, fake):
    """Hinge."""
    return 0.5 * (functional.relu(1 - real).mean() + functional.relu(1 + fake).mean())


def generator_loss(fake):
    return -fake.mean()


def adaptive_weight(pixels, generator):
    """How many times longer one gradient at the decoder's last layer is than the other, from 0 to 10,000."""
    return torch.clamp(pixels.norm() / (generator.norm() + 1e-4), 0, 1e4)
