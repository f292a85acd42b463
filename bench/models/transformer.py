"""LlamaGen's class-conditional transformer, and its sampling with a cache.

RMSNorm, SwiGLU, 2-D rotary embedding, no biases. Modules bear the published names. Attention is torch's
scaled_dot_product_attention, as in the published code.
"""

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
    # Tokens along a side of the image.
    side: int
    classes: int = 1000

    @property
    def hidden(self):
        """Width of the feed-forward layer: two thirds of four times the width, rounded up to a multiple of 256."""
        return -(-(2 * 4 * self.width // 3) // 256) * 256


SHAPES = {
    "6x256": Shape(6, 4, 256, 1024, 8), "8x384": Shape(8, 6, 384, 4096, 16),
    "GPT-B": Shape(12, 12, 768, 16384, 16),
}
# What the same shapes have in Tessera; LlamaGen gives 111M for GPT-B.
PARAMETERS = {"6x256": 5_895_680, "8x384": 17_692_416, "GPT-B": 110_888_448}
SMALL = Shape(2, 2, 64, 64, 4, 10)


def rotary_table(shape):
    """Cos and sin [1 + N, size / 2, 2]: half of a head's pairs turn with the row, half with the column.

    Those of the class are 0.
    """
    quarter = shape.width // shape.heads // 4
    frequencies = 1 / 10000 ** (torch.arange(quarter) / quarter)
    turned = torch.outer(torch.arange(shape.side), frequencies)
    rows, columns = turned[:, None].expand(-1, shape.side, -1), turned[None].expand(shape.side, -1, -1)
    angles = torch.cat([rows, columns], -1).flatten(0, 1)
    table = torch.stack([angles.cos(), angles.sin()], -1)
    return torch.cat([torch.zeros(1, 2 * quarter, 2), table])


def rotated(x, angles):
    """Turns the pairs (2i, 2i + 1) of x [B, T, heads, size] by cos and sin [T, size / 2, 2]."""
    pairs = x.float().unflatten(-1, (-1, 2))
    cosine, sine = angles[:, None, :, 0], angles[:, None, :, 1]
    even, odd = pairs[..., 0], pairs[..., 1]
    return torch.stack([even * cosine - odd * sine, odd * cosine + even * sine], -1).flatten(-2).type_as(x)


class Norm(nn.Module):
    """RMSNorm."""

    def __init__(self, width):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x):
        y = x.float()
        y = y * torch.rsqrt(y.square().mean(-1, keepdim=True) + 1e-5)
        return y.type_as(x) * self.weight


class Attention(nn.Module):
    def __init__(self, shape, dropout):
        super().__init__()
        self.heads = shape.heads
        self.wqkv = nn.Linear(shape.width, 3 * shape.width, bias=False)
        self.wo = nn.Linear(shape.width, shape.width, bias=False)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x, angles, cache=None, position=None, length=None, mask=None):
        b, t, c = x.shape
        q, k, v = self.wqkv(x).view(b, t, 3, self.heads, -1).unbind(2)
        q, k, v = (part.transpose(1, 2) for part in (rotated(q, angles), rotated(k, angles), v))
        if cache is None:
            y = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        else:
            keys, values = cache
            keys[:, :, position], values[:, :, position] = k, v
            if length is not None:
                keys, values = keys[:, :, :length], values[:, :, :length]
            y = functional.scaled_dot_product_attention(q, keys, values, attn_mask=mask)
        return self.dropout(self.wo(y.transpose(1, 2).reshape(b, t, c)))


class FeedForward(nn.Module):
    def __init__(self, shape, dropout):
        super().__init__()
        self.w1 = nn.Linear(shape.width, shape.hidden, bias=False)
        self.w2 = nn.Linear(shape.hidden, shape.width, bias=False)
        self.w3 = nn.Linear(shape.width, shape.hidden, bias=False)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x):
        return self.dropout(self.w2(functional.silu(self.w1(x)) * self.w3(x)))


class Block(nn.Module):
    def __init__(self, shape, dropout):
        super().__init__()
        self.attention, self.feed_forward = Attention(shape, dropout), FeedForward(shape, dropout)
        self.attention_norm, self.ffn_norm = Norm(shape.width), Norm(shape.width)

    def forward(self, x, angles, *place):
        x = x + self.attention(self.attention_norm(x), angles, *place)
        return x + self.feed_forward(self.ffn_norm(x))


class ClassEmbedding(nn.Module):
    """A row per class, and one for no class."""

    def __init__(self, shape):
        super().__init__()
        self.embedding_table = nn.Embedding(shape.classes + 1, shape.width)

    def forward(self, labels):
        return self.embedding_table(labels)


class Transformer(nn.Module):
    def __init__(self, shape, dropout=0.0):
        super().__init__()
        self.shape = shape
        self.cls_embedding = ClassEmbedding(shape)
        self.tok_embeddings = nn.Embedding(shape.codes, shape.width)
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.ModuleList(Block(shape, dropout) for _ in range(shape.layers))
        self.norm = Norm(shape.width)
        self.output = nn.Linear(shape.width, shape.codes, bias=False)
        # Kept apart from the buffers, so that it stays in float32.
        self.angles = rotary_table(shape)
        count = shape.side * shape.side
        self.visible = torch.ones(count, count, dtype=torch.bool).tril()
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.normal_(parameter, std=0.02)
        nn.init.zeros_(self.output.weight)

    def forward(self, labels, tokens):
        """Logits [B, N, V] for training: the class and the first N - 1 tokens predict the token after each of them."""
        x = self.dropout(torch.cat([self.cls_embedding(labels)[:, None], self.tok_embeddings(tokens)], 1))
        angles = self.angles[:x.shape[1]]
        for layer in self.layers:
            x = layer(x, angles)
        return self.output(self.norm(x)).float()

    def new_cache(self, rows):
        """Keys and values of each block for all positions, [rows, heads, N, size]."""
        size = (rows, self.shape.heads, len(self.visible), self.shape.width // self.shape.heads)
        kind = self.tok_embeddings.weight.dtype
        return [(torch.zeros(size, dtype=kind), torch.zeros(size, dtype=kind)) for _ in self.layers]

    def step(self, x, cache, position, length=None):
        """Logits [R, V] of the next position, which reads x [R, 1, C].

        Args:
            position: its number, as a tensor of one element, so that a compiled step serves all positions.
            length: how much of the cache is filled with this position. None reads the whole cache under a mask.
        """
        mask = self.visible[position] if length is None else None
        angles = self.angles[position]
        for layer, pair in zip(self.layers, cache):
            x = layer(x, angles, pair, position, length, mask)
        return self.output(self.norm(x))[:, 0].float()


def drawn(logits):
    """Tokens [B] by the probabilities of logits [B, V]."""
    return torch.multinomial(logits.softmax(-1), 1)[:, 0]


@torch.no_grad()
def generate(model, labels, guidance, draw=drawn, step=None, whole_cache=False):
    """Tokens [B, N] of labels [B] as LlamaGen and gpt-fast draw them: rows with and without class, a static cache.

    Args:
        step: what stands for `model.step`, such as the same compiled.
        whole_cache: attention reads all of the cache under a mask, so that no shape changes between positions, as
            compiled code needs it. Otherwise it reads the part that is filled, which is less work.
    """
    step = step or model.step
    cache = model.new_cache(2 * len(labels))
    x = model.cls_embedding(torch.cat([labels, torch.full_like(labels, model.shape.classes)]))[:, None]
    tokens = []
    for place in range(len(model.visible)):
        logits = step(x, cache, torch.tensor([place]), None if whole_cache else place + 1)
        conditional, unconditional = logits.chunk(2)
        tokens.append(draw(unconditional + guidance * (conditional - unconditional)))
        x = model.tok_embeddings(tokens[-1].repeat(2))[:, None]
    return torch.stack(tokens, 1)


def optimizer_of(model, rate, decay=0.05):
    """AdamW with LlamaGen's constants, fused where torch has that on CPUs. Decay is for matrices and kernels only."""
    def made(**settings):
        groups = [{"params": [p for p in model.parameters() if p.dim() >= 2], "weight_decay": decay},
                  {"params": [p for p in model.parameters() if p.dim() < 2], "weight_decay": 0.0}]
        return torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.95), eps=1e-8, **settings)

    try:
        return made(fused=True)
    except RuntimeError:
        return made()


def class_dropped(labels, classes, rate):
    """Labels of which a share has become "no class"."""
    return torch.where(torch.rand(len(labels)) < rate, classes, labels)


def token_loss(model, labels, tokens):
    """Mean cross-entropy of tokens [B, N]."""
    return functional.cross_entropy(model(labels, tokens[:, :-1]).flatten(0, 1), tokens.flatten())
