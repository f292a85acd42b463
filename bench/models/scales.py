"""VAR's quantiser: an image is a sum of enlarged grids of codes, and each corrects what the smaller ones have left."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional


class MultiScaleQuantizer(nn.Module):
    """Four convolutions phi, shared by the scales; a half of what they give is added to a half of what they see."""

    def __init__(self, shape, phis=4):
        super().__init__()
        self.scales = shape.scales
        width = shape.code_dimension
        self.embedding = nn.Embedding(shape.codes, width)
        self.embedding.weight.data.uniform_(-1 / shape.codes, 1 / shape.codes)
        self.quant_resi = nn.ModuleDict(
            {"qresi_ls": nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(phis))})
        ticks = np.linspace(1 / 3 / phis, 1 - 1 / 3 / phis, phis)
        last = len(self.scales) - 1
        self.phi_of_scale = [int(np.argmin(np.abs(ticks - scale / last))) for scale in range(last + 1)]

    def resized(self, x, side, mode):
        return x if x.shape[-1] == side else functional.interpolate(x, size=(side, side), mode=mode)

    def part(self, tokens, scale):
        """What a scale adds, [B, d, side, side], by its tokens [B, n * n]."""
        n = self.scales[scale]
        codes = self.embedding(tokens).transpose(1, 2).unflatten(2, (n, n))
        enlarged = self.resized(codes, self.scales[-1], "bicubic")
        phi = self.quant_resi["qresi_ls"][self.phi_of_scale[scale]]
        return 0.5 * enlarged + 0.5 * phi(enlarged)

    def shrunk(self, x, scale):
        """x [B, d, side, side] at the size of a scale."""
        return self.resized(x, self.scales[scale], "area")

    def indices(self, latents):
        """Tokens [B, L] of latents [B, d, side, side], scale after scale."""
        codes = self.embedding.weight
        lengths = codes.square().sum(1)
        rest, tokens = latents, []
        for scale in range(len(self.scales)):
            rows = self.shrunk(rest, scale).permute(0, 2, 3, 1).flatten(0, 2)
            found = torch.addmm(lengths, rows, codes.T, alpha=-2).argmin(1).view(len(latents), -1)
            rest = rest - self.part(found, scale)
            tokens.append(found)
        return torch.cat(tokens, 1)
