"""LlamaGen's class-conditional transformer in plain PyTorch, by docs/formats.md and the published definition."""

import math

import torch
from torch import nn
from torch.nn import functional


class Norm(nn.Module):
    """RMSNorm."""

    def __init__(self, width, epsilon):
        super().__init__()
        self.weight, self.epsilon = nn.Parameter(torch.ones(width)), epsilon

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.epsilon) * self.weight


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.wqkv = nn.Linear(width, 3 * width, bias=False)
        self.wo = nn.Linear(width, width, bias=False)

    def forward(self, x, angles):
        b, t, c = x.shape
        q, k, v = (part.view(b, t, self.heads, -1) for part in self.wqkv(x).split(c, dim=-1))
        q, k, v = (part.transpose(1, 2) for part in (rotated(q, angles), rotated(k, angles), v))
        scores = q @ k.transpose(2, 3) / math.sqrt(c // self.heads)
        hidden = torch.ones(t, t, dtype=torch.bool, device=x.device).triu(1)
        weights = scores.masked_fill(hidden, -math.inf).softmax(-1)
        return self.wo((weights @ v).transpose(1, 2).reshape(b, t, c))


class FeedForward(nn.Module):
    def __init__(self, width, hidden):
        super().__init__()
        self.w1 = nn.Linear(width, hidden, bias=False)
        self.w2 = nn.Linear(hidden, width, bias=False)
        self.w3 = nn.Linear(width, hidden, bias=False)

    def forward(self, x):
        return self.w2(functional.silu(self.w1(x)) * self.w3(x))


class Block(nn.Module):
    def __init__(self, width, heads, hidden, epsilon):
        super().__init__()
        self.attention, self.feed_forward = Attention(width, heads), FeedForward(width, hidden)
        self.attention_norm, self.ffn_norm = Norm(width, epsilon), Norm(width, epsilon)

    def forward(self, x, angles):
        x = x + self.attention(self.attention_norm(x), angles)
        return x + self.feed_forward(self.ffn_norm(x))


class ClassEmbedding(nn.Module):
    def __init__(self, classes, width):
        super().__init__()
        self.embedding_table = nn.Embedding(classes + 1, width)


class Transformer(nn.Module):
    """The modules bear the names of the model file's tensors."""

    def __init__(self, config):
        super().__init__()
        width, multiple = config["dim"], config["multiple_of"]
        hidden = -(-(2 * 4 * width // 3) // multiple) * multiple
        self.cls_embedding = ClassEmbedding(config["num_classes"], width)
        self.tok_embeddings = nn.Embedding(config["vocab_size"], width)
        self.layers = nn.ModuleList(
            Block(width, config["n_head"], hidden, config["norm_eps"]) for _ in range(config["n_layer"]))
        self.norm = Norm(width, config["norm_eps"])
        self.output = nn.Linear(width, config["vocab_size"], bias=False)
        self.angles = rotary_angles(config)

    def forward(self, labels, tokens):
        """Logits [B, N, V]: the class and the first tokens predict the token after each of them."""
        x = torch.cat([self.cls_embedding.embedding_table(labels)[:, None], self.tok_embeddings(tokens[:, :-1])], 1)
        for layer in self.layers:
            x = layer(x, self.angles[:, :x.shape[1]].to(x.dtype))
        return self.output(self.norm(x))


def rotary_angles(config):
    """Cos and sin [2, 1 + N, size / 2]: half of a head's pairs turn with the row, half with the column.

    Those of the class are 0, which makes its query and key vanish.
    """
    quarter = config["dim"] // config["n_head"] // 4
    frequency = 1 / config["rope_base"] ** (torch.arange(quarter, dtype=torch.float64) / quarter)
    place = torch.arange(config["grid_rows"] * config["grid_columns"])
    row, column = place // config["grid_columns"], place % config["grid_columns"]
    angles = torch.cat([row[:, None] * frequency, column[:, None] * frequency], 1)
    table = torch.stack([angles.cos(), angles.sin()])
    return torch.cat([torch.zeros(2, 1, 2 * quarter, dtype=torch.float64), table], 1)


def rotated(x, angles):
    """Turns the pairs (2i, 2i + 1) of x [B, T, heads, size]."""
    cosine, sine = (part[None, :, None] for part in angles)
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack([even * cosine - odd * sine, odd * cosine + even * sine], -1).flatten(-2)
