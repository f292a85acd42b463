#!/usr/bin/env python3
"""Compares the models of this folder with values that the published code of LlamaGen, VQGAN and VAR gave.

The values are those of Tests/Fixtures, with which Tessera is compared too: small models with all parameters, their
inputs and their results in float32. Ends with 1 if a result differs.
"""

import json
import pathlib
import re
import sys

import torch
from models import var
from models.autoencoder import PARAMETERS as AUTOENCODERS
from models.autoencoder import Autoencoder, Shape
from models.discriminator import Discriminator, adaptive_weight, discriminator_loss, generator_loss
from models.transformer import PARAMETERS, SHAPES, Transformer, generate, optimizer_of, token_loss
from models.transformer import Shape as TransformerShape
from torch.nn import functional

FIXTURES = pathlib.Path(__file__).resolve().parents[1] / "Tests" / "Fixtures"
TYPES = {"F32": torch.float32, "I32": torch.int32, "U8": torch.uint8}
failures = []


class Fixture:
    """The tensors of a safetensors file by name."""

    def __init__(self, name):
        data = bytearray((FIXTURES / f"{name}.safetensors").read_bytes())
        begin = 8 + int.from_bytes(data[:8], "little")
        header = json.loads(data[8:begin])
        header.pop("__metadata__", None)
        self.tensors = {}
        for key, entry in header.items():
            first, end = (begin + place for place in entry["data_offsets"])
            self.tensors[key] = torch.frombuffer(data[first:end], dtype=TYPES[entry["dtype"]]).view(entry["shape"])

    def __getitem__(self, name):
        tensor = self.tensors[name]
        return tensor.long() if tensor.dtype == torch.int32 else tensor

    def parameters(self):
        return {name.removeprefix("param."): self[name] for name in self.tensors if name.startswith("param.")}


def expect_near(what, found, expected, tolerance=1e-4):
    """Floats differ by less than a share of the largest of them."""
    difference = ((found - expected).abs().max() / expected.abs().max()).item()
    say(what, f"relative difference {difference:.1e} (tolerance {tolerance:.0e})", difference <= tolerance)


def expect_equal(what, found, expected):
    different = (found != expected).sum().item()
    say(what, f"{different} of {expected.numel()} differ", different == 0)


def say(what, text, holds):
    print(f"{'' if holds else 'WRONG '}{what}: {text}")
    if not holds:
        failures.append(what)


def greedy(logits):
    return logits.argmax(-1)


def check_transformer():
    fixture = Fixture("gpt_tiny")
    model = Transformer(TransformerShape(2, 4, 64, 128, 4, 10)).eval()
    model.load_state_dict(fixture.parameters())
    labels, tokens = fixture["labels"], fixture["tokens"]
    with torch.no_grad():
        expect_near("transformer, logits", model(labels, tokens[:, :-1]), fixture["logits"])
    for whole in (False, True):
        found = generate(model, labels, 2.5, greedy, whole_cache=whole)
        expect_equal(f"transformer, greedy tokens, {'whole' if whole else 'filled part of the'} cache", found,
                     fixture["greedy.cfg2.5"])
    optimizer, losses = optimizer_of(model, 1e-2), []
    for _ in fixture["adamw.losses"]:
        optimizer.zero_grad()
        loss = token_loss(model, labels, tokens)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
    expect_near("transformer, losses of five steps", torch.tensor(losses), fixture["adamw.losses"], 1e-3)


def check_autoencoder():
    fixture = Fixture("vq_tiny")
    model = Autoencoder(Shape(32, (1, 1), 1, 32, 64, 8, 32)).eval()
    model.load_state_dict(fixture.parameters())
    image = fixture["image"]
    with torch.no_grad():
        expect_near("VQ autoencoder, latents", model.encode(image), fixture["latent"])
        expect_equal("VQ autoencoder, tokens", model.tokens(image), fixture["indices"])
        expect_near("VQ autoencoder, images of tokens", model.images(fixture["indices"], 8), fixture["reconstruction"])
        reconstruction, loss = model(image)
        expect_near("VQ autoencoder, reconstruction", reconstruction, fixture["reconstruction"])
        loss = loss + functional.mse_loss(reconstruction, image)
        expect_near("VQ autoencoder, loss", loss[None], fixture["loss"])


def llamagen_names(parameters, levels):
    """Parameters of VAR's autoencoder under LlamaGen's names, and its convolution qkv as three."""
    result = {}
    for name, tensor in parameters.items():
        name = re.sub(r"^encoder\.down\.(\d)", r"encoder.conv_blocks.\1", name)
        name = re.sub(r"^decoder\.up\.(\d)", lambda found: f"decoder.conv_blocks.{levels - 1 - int(found[1])}", name)
        for old, new in ((".block.", ".res."), (".block_1.", ".0."), (".attn_1.", ".1."), (".block_2.", ".2.")):
            name = name.replace(old, new)
        if ".qkv." in name:
            result |= {name.replace("qkv", part): third for part, third in zip("qkv", tensor.chunk(3))}
        else:
            result[name] = tensor
    return result


def check_var():
    fixture, scales = Fixture("var_tokenizer_tiny"), (1, 2, 3, 4)
    tokenizer = Autoencoder(Shape(4, residual_blocks=2, z_channels=8, codes=64, code_dimension=8, groups=2,
                                  code_kernel=3, scales=scales)).eval()
    tokenizer.load_state_dict(llamagen_names(fixture.parameters(), levels=5))
    with torch.no_grad():
        tokens = torch.cat([fixture[f"idx.{scale}"] for scale in range(4)], 1)
        expect_equal("VAR's autoencoder, tokens", tokenizer.tokens(fixture["image"]), tokens)
        parts = [tokenizer.quantize.part(fixture[f"idx.{scale}"], scale) for scale in range(4)]
        expect_near("VAR's autoencoder, sum of all scales", sum(parts), fixture["f_hat.3"])
        decoded = tokenizer.decode(sum(parts)).clamp(-1, 1)
        expect_near("VAR's autoencoder, images", decoded, fixture["reconstruction"])
    fixture = Fixture("var_transformer_tiny")
    model = var.Transformer(var.Shape(2, 4, 32, 64, 8, scales, 10)).eval()
    model.load_state_dict(fixture.parameters())
    for cfg in ("1.5", "4.0"):
        logits = []

        def draw(guided, logits=logits):
            logits.append(guided)
            return guided.argmax(-1)

        found = var.generate(model, tokenizer.quantize, fixture["greedy.labels"], float(cfg), draw)
        expect_equal(f"VAR, greedy tokens, guidance {cfg}", found, fixture[f"greedy.cfg{cfg}.tokens"])
        expected = fixture[f"greedy.cfg{cfg}.guided_logits"]
        expect_near(f"VAR, guided logits, guidance {cfg}", torch.cat(logits, 1), expected)
    for key in ("k8_p0.6", "k32_p0.96"):
        k, p = key[1:].split("_p")
        kept = var.filtered(fixture["filter.logits"], int(k), float(p)).isfinite()
        expect_equal(f"VAR, what top-k {k} and top-p {p} keep", kept, fixture[f"filter.{key}.kept"].bool())


def check_discriminator():
    fixture = Fixture("adversarial")
    model = Discriminator(8, 2).train()
    model.load_state_dict(fixture.parameters())
    with torch.no_grad():
        real, fake = model(fixture["real"]), model(fixture["fake"])
    expect_near("discriminator, logits of real images", real, fixture["logits_real"])
    expect_near("discriminator, logits of reconstructions", fake, fixture["logits_fake"])
    for what, loss in (("d_loss.hinge", discriminator_loss(real, fake)), ("g_loss.hinge", generator_loss(fake))):
        expect_near(f"discriminator, {what}", loss[None], fixture[what])
    gradients = (fixture[f"adaptive.llamagen.grad_{part}"] for part in ("nll", "g"))
    expect_near("discriminator, adaptive weight", adaptive_weight(*gradients)[None], fixture["adaptive.llamagen.value"])


def check_sizes():
    """The models that are measured have as many parameters as the published ones; nothing is allocated for this."""
    with torch.device("meta"):
        models = [(f"transformer {name}", Transformer(shape), PARAMETERS[name]) for name, shape in SHAPES.items()]
        models += [(f"autoencoder of {shape.channels} channels", Autoencoder(shape), count)
                   for shape, count in AUTOENCODERS.items()]
        models += [("VAR-d16", var.Transformer(var.D16), var.D16_PARAMETERS)]
    for what, model, expected in models:
        count = sum(parameter.numel() for parameter in model.parameters())
        say(what, f"{count:,} parameters, expected {expected:,}", count == expected)


def main():
    torch.manual_seed(0)
    torch.set_num_threads(1)
    for check in (check_transformer, check_autoencoder, check_var, check_discriminator, check_sizes):
        check()
    if failures:
        sys.exit(f"check: {len(failures)} results differ: {'; '.join(failures)}")


if __name__ == "__main__":
    main()
