"""LlamaGen's VQ autoencoder, and by its settings that of VAR, with the quantisers of both.

Modules bear LlamaGen's names. Images are [B, 3, H, W] with values from -1 to 1. Attention is torch's
scaled_dot_product_attention, where the published code multiplies matrices one after the other.
"""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from models.scales import MultiScaleQuantizer


@dataclass(frozen=True)
class Shape:
    """VQ-16 unless sizes are given."""

    channels: int = 128
    multipliers: tuple = (1, 1, 2, 2, 4)
    # Of a level in the encoder; the decoder has one more.
    residual_blocks: int = 2
    z_channels: int = 256
    codes: int = 16384
    code_dimension: int = 8
    groups: int = 32
    # Side of the kernels around the quantiser.
    code_kernel: int = 1
    # Sides of the grids of tokens of VAR's quantiser; empty for one grid.
    scales: tuple = ()

    @property
    def widths(self):
        return [self.channels * multiplier for multiplier in self.multipliers]


VQ16 = Shape()
VAR256 = Shape(channels=160, z_channels=32, codes=4096, code_dimension=32, code_kernel=3,
               scales=(1, 2, 3, 4, 5, 6, 8, 10, 13, 16))
# Of images of 32 pixels, as in the rows train-tokenizer-32 and train-adversarial-32 of tessera-bench.
PIXELS32 = Shape(channels=16, multipliers=(1, 2, 4), residual_blocks=1, z_channels=64, codes=1024, groups=8)
# What the same shapes have in Tessera; LlamaGen gives 72M, VAR 109M.
PARAMETERS = {VQ16: 71_883_403, VAR256: 108_948_355, PIXELS32: 808_283}


def norm(width, groups):
    return nn.GroupNorm(groups, width, eps=1e-6)


def convolution(inputs, outputs, kernel=3, stride=1):
    return nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2 if stride == 1 else 0)


class ResidualBlock(nn.Module):
    def __init__(self, inputs, outputs, groups):
        super().__init__()
        self.norm1, self.conv1 = norm(inputs, groups), convolution(inputs, outputs)
        self.norm2, self.conv2 = norm(outputs, groups), convolution(outputs, outputs)
        self.nin_shortcut = nn.Identity() if inputs == outputs else convolution(inputs, outputs, 1)

    def forward(self, x):
        h = self.conv1(functional.silu(self.norm1(x)))
        return self.nin_shortcut(x) + self.conv2(functional.silu(self.norm2(h)))


class Attention(nn.Module):
    """One head over all pixels."""

    def __init__(self, width, groups):
        super().__init__()
        self.norm = norm(width, groups)
        self.q, self.k, self.v, self.proj_out = (convolution(width, width, 1) for _ in range(4))

    def forward(self, x):
        h = self.norm(x)
        q, k, v = (part(h).flatten(2).transpose(1, 2)[:, None] for part in (self.q, self.k, self.v))
        y = functional.scaled_dot_product_attention(q, k, v)[:, 0]
        return x + self.proj_out(y.transpose(1, 2).unflatten(2, x.shape[2:]))


class Downsample(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv = convolution(width, width, stride=2)

    def forward(self, x):
        return self.conv(functional.pad(x, (0, 1, 0, 1)))


class Upsample(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv = convolution(width, width)

    def forward(self, x):
        return self.conv(functional.interpolate(x, scale_factor=2, mode="nearest"))


class Level(nn.Module):
    """Residual blocks, each followed by attention if the level has it, and at the end another resolution."""

    def __init__(self, inputs, outputs, blocks, groups, attends, change):
        super().__init__()
        self.res = nn.ModuleList(
            ResidualBlock(outputs if block else inputs, outputs, groups) for block in range(blocks))
        self.attn = nn.ModuleList(Attention(outputs, groups) for _ in range(blocks if attends else 0))
        for name, module in change.items():
            self.add_module(name, module)
        self.change = list(change)

    def forward(self, x):
        for index, block in enumerate(self.res):
            x = block(x)
            if len(self.attn):
                x = self.attn[index](x)
        for name in self.change:
            x = getattr(self, name)(x)
        return x


def middle(width, groups):
    return nn.Sequential(
        ResidualBlock(width, width, groups), Attention(width, groups), ResidualBlock(width, width, groups))


class Encoder(nn.Module):
    def __init__(self, shape):
        super().__init__()
        widths, groups = shape.widths, shape.groups
        last = len(widths) - 1
        self.conv_in = convolution(3, shape.channels)
        self.conv_blocks = nn.Sequential(*(
            Level(before, width, shape.residual_blocks, groups, level == last,
                  {} if level == last else {"downsample": Downsample(width)})
            for level, (before, width) in enumerate(zip([shape.channels, *widths], widths))))
        self.mid = middle(widths[last], groups)
        self.norm_out, self.conv_out = norm(widths[last], groups), convolution(widths[last], shape.z_channels)

    def forward(self, x):
        h = self.mid(self.conv_blocks(self.conv_in(x)))
        return self.conv_out(functional.silu(self.norm_out(h)))


class Decoder(nn.Module):
    def __init__(self, shape):
        super().__init__()
        widths, groups = shape.widths[::-1], shape.groups
        last = len(widths) - 1
        self.conv_in = convolution(shape.z_channels, widths[0])
        self.mid = middle(widths[0], groups)
        self.conv_blocks = nn.Sequential(*(
            Level(before, width, shape.residual_blocks + 1, groups, level == 0,
                  {} if level == last else {"upsample": Upsample(width)})
            for level, (before, width) in enumerate(zip([widths[0], *widths], widths))))
        self.norm_out, self.conv_out = norm(widths[last], groups), convolution(widths[last], 3)

    def forward(self, z):
        h = self.conv_blocks(self.mid(self.conv_in(z)))
        return self.conv_out(functional.silu(self.norm_out(h)))


class Quantizer(nn.Module):
    """The code of the largest cosine: latents and codes have length 1 (LlamaGen)."""

    def __init__(self, shape):
        super().__init__()
        self.embedding = nn.Embedding(shape.codes, shape.code_dimension)
        bound = 1 / shape.codes
        self.embedding.weight.data = functional.normalize(self.embedding.weight.data.uniform_(-bound, bound), dim=-1)

    def codes(self):
        return functional.normalize(self.embedding.weight, dim=-1)

    def indices(self, latents):
        """Tokens [B, N] of latents [B, d, h, w]."""
        return self.nearest(self.rows(latents), self.codes()).view(len(latents), -1)

    def vectors(self, tokens, side):
        """Codes [B, d, side, side] of tokens [B, N]."""
        return functional.embedding(tokens, self.codes()).transpose(1, 2).unflatten(2, (side, side))

    def forward(self, latents):
        """For training: codes [B, d, h, w] with the straight-through gradient, and codebook + 0.25 commitment loss."""
        z, codes = self.rows(latents), self.codes()
        chosen = functional.embedding(self.nearest(z, codes), codes)
        loss = functional.mse_loss(chosen, z.detach()) + 0.25 * functional.mse_loss(chosen.detach(), z)
        chosen = z + (chosen - z).detach()
        b, d, h, w = latents.shape
        return chosen.view(b, h, w, d).permute(0, 3, 1, 2), loss

    @staticmethod
    def rows(latents):
        return functional.normalize(latents.permute(0, 2, 3, 1).flatten(0, 2).float(), dim=-1)

    @staticmethod
    @torch.no_grad()
    def nearest(rows, codes):
        """Searched in float32, whatever the format of the layers is."""
        with torch.autocast("cpu", enabled=False):
            return torch.addmm(codes.square().sum(1), rows, codes.T, alpha=-2).argmin(1)


class Autoencoder(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.shape = shape
        self.encoder, self.decoder = Encoder(shape), Decoder(shape)
        self.quantize = MultiScaleQuantizer(shape) if shape.scales else Quantizer(shape)
        self.quant_conv = convolution(shape.z_channels, shape.code_dimension, shape.code_kernel)
        self.post_quant_conv = convolution(shape.code_dimension, shape.z_channels, shape.code_kernel)

    def convert(self, kind, memory_format):
        """Another number format for all but the quantiser, which stays in float32, and another order in memory."""
        for part in (self.encoder, self.decoder, self.quant_conv, self.post_quant_conv):
            part.to(kind, memory_format=memory_format)
        return self

    def encode(self, images):
        """Latents [B, d, h, w] before they are quantised."""
        return self.quant_conv(self.encoder(images))

    def decode(self, latents):
        return self.decoder(self.post_quant_conv(latents))

    def tokens(self, images):
        """Tokens [B, N]; of several scales, one scale after the other."""
        return self.quantize.indices(self.encode(images).float())

    def images(self, tokens, side):
        """Images of tokens [B, side * side]."""
        vectors = self.quantize.vectors(tokens, side)
        return self.decode(vectors.to(self.post_quant_conv.weight.dtype))

    def forward(self, images):
        """For training: reconstructions and the loss of the quantiser."""
        vectors, loss = self.quantize(self.encode(images))
        return self.decode(vectors), loss
