"""The sizes that the `config` of a model may have, and the parameters that follow from them."""

from __future__ import annotations

from itertools import pairwise
from math import prod
from typing import Any

import numpy as np

from .arrays import Array

Shapes = dict[str, tuple[int, ...]]
NETWORKS = ("inception-v3", "squeezenet-1.1", "efficientnet-lite0", "lpips-alex", "lpips-vgg")
_TRANSFORMER = ("n_layer", "n_head", "dim", "vocab_size", "grid_rows", "grid_columns", "num_classes", "multiple_of")
_VAR = ("depth", "num_heads", "embed_dim", "vocab_size", "codebook_embed_dim", "num_classes")
_AUTOENCODER = ("ch", "num_res_blocks", "z_channels", "codebook_size", "codebook_embed_dim", "groups", "image_size")
_LARGEST = 1 << 24


def config_problem(kind: str, config: object) -> str | None:
    """What is wrong with a `config`, as a clause after "to be", or None."""
    if not isinstance(config, dict):
        return "a JSON object"
    if kind == "network":
        return None if config.get("name") in NETWORKS else f"the name of one of {', '.join(NETWORKS)}"
    if kind == "tokenizer":
        return _autoencoder_problem(config)
    if kind == "var-model":
        return _var_problem(config)
    return _transformer_problem(config, fine=kind == "fine-model")


def parameter_shapes(kind: str, config: dict[str, Any]) -> Shapes | None:
    """The shape of every parameter by its name; None for a network, whose names are those of its own file."""
    if kind == "network":
        return None
    if kind == "tokenizer":
        return _autoencoder_shapes(config)
    if kind == "var-model":
        return _var_shapes(config)
    return _transformer_shapes(config, fine=kind == "fine-model")


def _numbers_problem(config: dict[str, Any], integers: tuple[str, ...], reals: tuple[str, ...]) -> str | None:
    for key in integers:
        value = config.get(key)
        if type(value) is not int or not 1 <= value <= _LARGEST:
            return f"an object with an integer from 1 to {_LARGEST} as '{key}'"
    for key in reals:
        value = config.get(key)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < float("inf"):
            return f"an object with a number above 0 as '{key}'"
    return None


def _transformer_problem(config: dict[str, Any], *, fine: bool) -> str | None:
    integers = _TRANSFORMER + (("input_vocab_size",) if fine else ())
    if problem := _numbers_problem(config, integers, ("rope_base", "norm_eps")):
        return problem
    if not fine and "input_vocab_size" in config:
        return "an object without 'input_vocab_size', which only a fine-model has"
    dim, heads = config["dim"], config["n_head"]
    if dim % heads or dim // heads % 4:
        return "an object whose 'dim' divided by 'n_head' is a multiple of 4"
    if config["n_layer"] > 511 or dim > 65536 or config["grid_rows"] * config["grid_columns"] > 65536:
        return "an object with at most 511 blocks, a width of at most 65536 and at most 65536 tokens"
    return None


def _transformer_shapes(config: dict[str, Any], *, fine: bool) -> Shapes:
    width, codes, step = config["dim"], config["vocab_size"], config["multiple_of"]
    hidden = -(-(8 * width // 3) // step) * step
    inputs = config["input_vocab_size"] if fine else codes
    shapes: Shapes = {
        "cls_embedding.embedding_table.weight": (config["num_classes"] + 1, width),
        "tok_embeddings.weight": (inputs, width), "norm.weight": (width,), "output.weight": (codes, width),
    }
    block = {
        "attention_norm": (width,), "attention.wqkv": (3 * width, width), "attention.wo": (width, width),
        "ffn_norm": (width,), "feed_forward.w1": (hidden, width), "feed_forward.w3": (hidden, width),
        "feed_forward.w2": (width, hidden),
    }
    for layer in range(config["n_layer"]):
        shapes |= {f"layers.{layer}.{name}.weight": shape for name, shape in block.items()}
    return shapes | ({"fine_to_coarse": (codes,)} if fine else {})


def _autoencoder_problem(config: dict[str, Any]) -> str | None:
    if problem := _numbers_problem(config, _AUTOENCODER, ("group_norm_eps",)):
        return problem
    multipliers = config.get("ch_mult")
    if not (isinstance(multipliers, list) and 1 <= len(multipliers) <= 8
            and all(type(one) is int and 1 <= one <= _LARGEST for one in multipliers)):
        return "an object with a list of 1 to 8 integers as 'ch_mult'"
    grid = config.get("quantizer")
    if grid is None and type(config.get("l2_norm")) is not bool:
        return "an object with true or false as 'l2_norm'"
    if grid is not None and (problem := _grid_problem(config, grid)):
        return problem
    if config["num_res_blocks"] > 64 or any(config["ch"] * one % config["groups"] for one in multipliers):
        return "an object with at most 64 residual blocks, and groups that divide the width of every level"
    levels = config.get("attn_levels", [])
    if not (isinstance(levels, list) and all(type(one) is int and 0 <= one < len(multipliers) for one in levels)
            and len(set(levels)) == len(levels)):
        return f"an object whose 'attn_levels' are different levels from 0 to {len(multipliers) - 1}"
    if config["image_size"] % (1 << len(multipliers) - 1):
        return f"an object whose 'image_size' is a multiple of {1 << len(multipliers) - 1}"
    if config.get("quant_conv_kernel", 1) not in (1, 3):
        return "an object with 1 or 3 as 'quant_conv_kernel'"
    return _scales_problem(config) if config.get("multi_scale") is not None else None


def _grid_problem(config: dict[str, Any], grid: object) -> str | None:
    if "l2_norm" in config or config.get("multi_scale") is not None:
        return "an object with a 'quantizer', and so without 'l2_norm' and 'multi_scale'"
    kind, levels = (grid.get("kind"), grid.get("levels")) if isinstance(grid, dict) else (None, None)
    codes, dimension = config["codebook_size"], config["codebook_embed_dim"]
    if kind == "lfq" and levels is None:
        return None if dimension <= 20 and 1 << dimension == codes else "an object with 2^d codes of d signs"
    if kind != "fsq":
        return "an object whose 'quantizer' has 'fsq' or 'lfq' as 'kind', and 'levels' with fsq only"
    if not (isinstance(levels, list) and 1 <= len(levels) <= 20
            and all(type(one) is int and 2 <= one <= 1 << 20 for one in levels)
            and len(levels) == dimension and prod(levels) == codes):
        return "an object whose 'levels' are one number from 2 on per dimension, with the product 'codebook_size'"
    return None


def grid_codes(config: dict[str, Any]) -> Array | None:
    """The codes of FSQ and LFQ as the papers number them, [codes, dimensions]; None for codes that are trained."""
    grid = config.get("quantizer")
    if grid is None:
        return None
    numbers, columns = np.arange(config["codebook_size"]), []
    for levels in grid.get("levels") or [2] * config["codebook_embed_dim"]:
        places, numbers = numbers % levels, numbers // levels
        half = np.float32(levels // 2)
        columns.append((places - half).astype(np.float32) / half if grid["kind"] == "fsq"
                       else (2 * places - 1).astype(np.float32))
    codes: Array = np.stack(columns, axis=1)
    return codes


def _scales_problem(config: dict[str, Any]) -> str | None:
    if problem := _quantizer_problem(config["multi_scale"]):
        return problem
    if config["image_size"] != config["multi_scale"]["scales"][-1] << len(config["ch_mult"]) - 1 or config["l2_norm"]:
        return "an object whose 'multi_scale' ends at the side of the latents, with 'l2_norm' false"
    return None


def _quantizer_problem(quantizer: object) -> str | None:
    scales = quantizer.get("scales") if isinstance(quantizer, dict) else None
    if not (isinstance(scales, list) and 2 <= len(scales) <= 64 and all(type(one) is int for one in scales)
            and scales[0] >= 1 and all(low < high for low, high in pairwise(scales)) and scales[-1] <= 256
            and sum(one * one for one in scales) <= 65536):
        return "an object whose 'multi_scale' has 'scales' that ascend to at most 256"
    assert isinstance(quantizer, dict)
    ratio, count = quantizer.get("residual_ratio"), quantizer.get("phi_count")
    if isinstance(ratio, bool) or not isinstance(ratio, (int, float)) or not 0 <= ratio <= 1:
        return "an object whose 'multi_scale' has a number from 0 to 1 as 'residual_ratio'"
    if type(count) is not int or not 0 <= count <= 64 or type(quantizer.get("znorm")) is not bool:
        return "an object whose 'multi_scale' has a 'phi_count' from 0 to 64 and true or false as 'znorm'"
    return None


def _var_problem(config: dict[str, Any]) -> str | None:
    if problem := _numbers_problem(config, _VAR, ("mlp_ratio", "norm_eps")):
        return problem
    if any(type(config.get(key)) is not bool for key in ("attn_l2_norm", "shared_aln")):
        return "an object with true or false as 'attn_l2_norm' and 'shared_aln'"
    if config["embed_dim"] % config["num_heads"] or config["depth"] > 511 or config["embed_dim"] > 65536:
        return "an object with at most 511 blocks, a width of at most 65536, and heads that divide it"
    return _quantizer_problem(config.get("multi_scale"))


def _var_shapes(config: dict[str, Any]) -> Shapes:
    width, codes, code = config["embed_dim"], config["vocab_size"], config["codebook_embed_dim"]
    hidden, scales = round(width * config["mlp_ratio"]), config["multi_scale"]["scales"]
    shapes: Shapes = {
        **_linear("word_embed", width, code), "class_emb.weight": (config["num_classes"] + 1, width),
        "pos_start": (1, scales[0] ** 2, width), "pos_1LC": (1, sum(one * one for one in scales), width),
        "lvl_embed.weight": (len(scales), width), **_linear("head_nm.ada_lin.1", 2 * width, width),
        **_linear("head", codes, width), "quantize.embedding.weight": (codes, code), **_phi_shapes(config),
    }
    if config["shared_aln"]:
        shapes |= _linear("shared_ada_lin.1", 6 * width, width)
    for block in range(config["depth"]):
        name = f"blocks.{block}"
        shapes |= {f"{name}.attn.mat_qkv.weight": (3 * width, width), f"{name}.attn.q_bias": (width,),
                   f"{name}.attn.v_bias": (width,), **_linear(f"{name}.attn.proj", width, width),
                   **_linear(f"{name}.ffn.fc1", hidden, width), **_linear(f"{name}.ffn.fc2", width, hidden)}
        if config["attn_l2_norm"]:
            shapes[f"{name}.attn.scale_mul_1H11"] = (1, config["num_heads"], 1, 1)
        shapes |= ({f"{name}.ada_gss": (1, 1, 6, width)} if config["shared_aln"]
                   else _linear(f"{name}.ada_lin.1", 6 * width, width))
    return shapes


def _linear(name: str, outputs: int, inputs: int) -> Shapes:
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def _phi_shapes(config: dict[str, Any]) -> Shapes:
    """The convolutions phi of a quantiser of several scales."""
    quantizer, code = config.get("multi_scale"), config["codebook_embed_dim"]
    if quantizer is None or quantizer["residual_ratio"] == 0:
        return {}
    count = quantizer["phi_count"]
    names = ([str(one) for one in range(len(quantizer["scales"]))] if count == 0 else ["qresi"] if count == 1
             else [f"qresi_ls.{one}" for one in range(count)])
    shapes: Shapes = {}
    for name in names:
        shapes |= _convolution(f"quantize.quant_resi.{name}", code, code)
    return shapes


def _autoencoder_shapes(config: dict[str, Any]) -> Shapes:
    widths = [config["ch"] * one for one in config["ch_mult"]]
    last, code, latent = widths[-1], config["codebook_embed_dim"], config["z_channels"]
    kernel = config.get("quant_conv_kernel", 1)
    shapes: Shapes = {
        **_convolution("encoder.conv_in", 3, config["ch"]),
        **_norm("encoder.norm_out", last), **_convolution("encoder.conv_out", last, latent),
        **_convolution("quant_conv", latent, code, kernel),
        "quantize.embedding.weight": (config["codebook_size"], code),
        **_convolution("post_quant_conv", code, latent, kernel), **_convolution("decoder.conv_in", latent, last),
        **_norm("decoder.norm_out", widths[0]), **_convolution("decoder.conv_out", widths[0], 3),
    }
    for half in ("encoder", "decoder"):
        shapes |= _residual(f"{half}.mid.0", last, last) | _attention(f"{half}.mid.1", last)
        shapes |= _residual(f"{half}.mid.2", last, last)
    blocks, attending = config["num_res_blocks"], set(config.get("attn_levels", [len(widths) - 1]))
    shapes |= _levels("encoder", "downsample", config["ch"], widths, blocks, attention_at=attending)
    shapes |= _phi_shapes(config)
    return shapes | _levels("decoder", "upsample", last, widths[::-1], blocks + 1,
                            attention_at={len(widths) - 1 - one for one in attending})


def _levels(half: str, resampling: str, width: int, widths: list[int], blocks: int, attention_at: set[int]) -> Shapes:
    shapes: Shapes = {}
    for level, wide in enumerate(widths):
        name = f"{half}.conv_blocks.{level}"
        for block in range(blocks):
            shapes |= _residual(f"{name}.res.{block}", width, wide)
            width = wide
            if level in attention_at:
                shapes |= _attention(f"{name}.attn.{block}", wide)
        if level < len(widths) - 1:
            shapes |= _convolution(f"{name}.{resampling}.conv", wide, wide)
    return shapes


def _convolution(name: str, inputs: int, outputs: int, side: int = 3) -> Shapes:
    return {f"{name}.weight": (outputs, inputs, side, side), f"{name}.bias": (outputs,)}


def _norm(name: str, channels: int) -> Shapes:
    return {f"{name}.weight": (channels,), f"{name}.bias": (channels,)}


def _residual(name: str, inputs: int, outputs: int) -> Shapes:
    shapes = _norm(f"{name}.norm1", inputs) | _convolution(f"{name}.conv1", inputs, outputs)
    shapes |= _norm(f"{name}.norm2", outputs) | _convolution(f"{name}.conv2", outputs, outputs)
    return shapes | (_convolution(f"{name}.nin_shortcut", inputs, outputs, 1) if inputs != outputs else {})


def _attention(name: str, width: int) -> Shapes:
    shapes = _norm(f"{name}.norm", width)
    for part in ("q", "k", "v", "proj_out"):
        shapes |= _convolution(f"{name}.{part}", width, width, 1)
    return shapes
