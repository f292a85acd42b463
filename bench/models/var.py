"""VAR's class-conditional transformer, and its sampling scale by scale with a cache.

Modules bear the names of the published code. What depends on the class alone (scales, shifts and gates of all blocks)
is computed once per batch of images, where the published code computes it again for each scale.
"""

import math
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional


@dataclass(frozen=True)
class Shape:
    layers: int
    heads: int
    width: int
    codes: int
    code_dimension: int
    # Sides of the grids of tokens.
    scales: tuple
    classes: int = 1000


D16 = Shape(16, 16, 1024, 4096, 32, (1, 2, 3, 4, 5, 6, 8, 10, 13, 16))
# What the same shape has in Tessera; VAR gives 310M.
D16_PARAMETERS = 310_283_520


class Attention(nn.Module):
    """Queries and keys have length 1; a factor per head multiplies the queries."""

    def __init__(self, shape):
        super().__init__()
        c = shape.width
        self.mat_qkv = nn.Linear(c, 3 * c, bias=False)
        self.q_bias, self.v_bias = nn.Parameter(torch.zeros(c)), nn.Parameter(torch.zeros(c))
        self.register_buffer("zero_k_bias", torch.zeros(c), persistent=False)
        self.scale_mul_1H11 = nn.Parameter(torch.full((1, shape.heads, 1, 1), math.log(4)))
        self.proj = nn.Linear(c, c)

    def forward(self, x, cache, start):
        b, t, c = x.shape
        bias = torch.cat([self.q_bias, self.zero_k_bias, self.v_bias])
        qkv = functional.linear(x, self.mat_qkv.weight, bias).view(b, t, 3, self.scale_mul_1H11.shape[1], -1)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        q = functional.normalize(q, dim=-1) * self.scale_mul_1H11.clamp_max(math.log(100)).exp()
        keys, values = cache
        keys[:, :, start:start + t], values[:, :, start:start + t] = functional.normalize(k, dim=-1), v
        y = functional.scaled_dot_product_attention(q, keys[:, :, :start + t], values[:, :, :start + t], scale=1.0)
        return self.proj(y.transpose(1, 2).reshape(b, t, c))


class FeedForward(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        return self.fc2(functional.gelu(self.fc1(x), approximate="tanh"))


def normalized(x, scale, shift):
    return functional.layer_norm(x, x.shape[-1:], eps=1e-6) * (1 + scale) + shift


class Block(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.attn, self.ffn = Attention(shape), FeedForward(shape.width)
        self.ada_lin = nn.Sequential(nn.SiLU(), nn.Linear(shape.width, 6 * shape.width))

    def modulation(self, classes):
        """Gates, scales and shifts of both branches, each [R, 1, C]."""
        return self.ada_lin(classes).unflatten(1, (6, 1, -1)).unbind(1)

    def forward(self, x, modulation, cache, start):
        gate1, gate2, scale1, scale2, shift1, shift2 = modulation
        x = x + self.attn(normalized(x, scale1, shift1), cache, start) * gate1
        return x + self.ffn(normalized(x, scale2, shift2)) * gate2


class HeadNorm(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.ada_lin = nn.Sequential(nn.SiLU(), nn.Linear(width, 2 * width))

    def modulation(self, classes):
        return self.ada_lin(classes).unflatten(1, (2, 1, -1)).unbind(1)


class Transformer(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.shape, c = shape, shape.width
        sizes = [side * side for side in shape.scales]
        self.word_embed = nn.Linear(shape.code_dimension, c)
        self.class_emb = nn.Embedding(shape.classes + 1, c)
        self.pos_start = nn.Parameter(torch.empty(1, sizes[0], c))
        self.pos_1LC = nn.Parameter(torch.empty(1, sum(sizes), c))
        self.lvl_embed = nn.Embedding(len(shape.scales), c)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.head_nm = HeadNorm(c)
        self.head = nn.Linear(c, shape.codes)
        self.scale_of_position = torch.tensor([scale for scale, size in enumerate(sizes) for _ in range(size)])
        for parameter in self.parameters():
            if parameter.dim() in (2, 3):
                nn.init.normal_(parameter, std=math.sqrt(1 / 3 / c))

    def new_cache(self, rows):
        """Keys and values of each block for all positions, [rows, heads, L, size]."""
        size = (rows, self.shape.heads, len(self.scale_of_position), self.shape.width // self.shape.heads)
        kind = self.head.weight.dtype
        return [(torch.zeros(size, dtype=kind), torch.zeros(size, dtype=kind)) for _ in self.blocks]

    def run(self, x, modulations, cache, start):
        """Logits [R, T, V] of a scale from what its positions see, [R, T, C]; the first of them is number `start`."""
        for block, modulation, pair in zip(self.blocks, modulations, cache):
            x = block(x, modulation, pair, start)
        return self.head(normalized(x, *modulations[-1])).float()


def filtered(logits, top_k, top_p):
    """Logits [B, T, V] where only the top-k most probable tokens, and of those the top-p, are finite."""
    least = logits.topk(min(top_k, logits.shape[-1]))[0][..., -1:]
    logits = logits.masked_fill(logits < least, -torch.inf)
    ascending, order = logits.sort(-1)
    improbable = ascending.softmax(-1).cumsum(-1) <= 1 - top_p
    improbable[..., -1] = False
    return logits.masked_fill(improbable.scatter(-1, order, improbable), -torch.inf)


def drawn(logits):
    """Tokens [B, T] by the probabilities of logits [B, T, V], with VAR's top-k and top-p."""
    return torch.multinomial(filtered(logits, 900, 0.96).softmax(-1).flatten(0, 1), 1).view(logits.shape[:2])


@torch.no_grad()
def generate(model, quantizer, labels, cfg, draw=drawn, run=None):
    """Tokens [B, L] of labels [B], scale after scale, with guidance that rises over the scales to `cfg`.

    Args:
        quantizer: the tokenizer's, in float32.
        run: what stands for `model.run`, such as the same compiled.
    """
    run = run or model.run
    scales, kind, b = model.shape.scales, model.head.weight.dtype, len(labels)
    cache = model.new_cache(2 * b)
    classes = model.class_emb(torch.cat([labels, torch.full_like(labels, model.shape.classes)]))
    modulations = [block.modulation(classes) for block in model.blocks] + [model.head_nm.modulation(classes)]
    places = model.pos_1LC + model.lvl_embed(model.scale_of_position)
    x = classes[:, None] + model.pos_start + places[:, :scales[0] ** 2]
    start, total, tokens = 0, 0, []
    for scale, side in enumerate(scales):
        strength = cfg * scale / (len(scales) - 1)
        conditional, unconditional = run(x, modulations, cache, start).chunk(2)
        tokens.append(draw((1 + strength) * conditional - strength * unconditional))
        start += side * side
        if scale + 1 < len(scales):
            total = total + quantizer.part(tokens[-1], scale)
            words = quantizer.shrunk(total, scale + 1).flatten(2).transpose(1, 2).to(kind)
            x = (model.word_embed(words) + places[:, start:start + scales[scale + 1] ** 2]).repeat(2, 1, 1)
    return torch.cat(tokens, 1)
