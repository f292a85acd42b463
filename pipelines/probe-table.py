#!/usr/bin/env python3
"""probe-table.py TABLE[=NAME]...: tables of linear-probe as blocks for gnuplot, one block per model: a line with its
name, then position, top-1 accuracy and its standard error in per cent. The last block has the accuracy that needs no
model: the majority's. A model's name is NAME where it is given, and otherwise its file's, or its folder's for model
files of one name."""

import json
import os
import sys


def read(argument):
    """The models of a table, by name, and the majority's accuracy."""
    path, _, name = argument.partition("=")
    with open(path, encoding="utf-8") as file:
        table = json.load(file)
    models = table["models"]
    names = [name if len(models) == 1 else f"{name} {i}" for i in range(1, len(models) + 1)] if name else [
        title(model["model"]) for model in models]
    return list(zip(names, models)), table["majority"]


def title(path):
    """What tells a model file from others: `out/st-ar/model.tensors.zst` is st-ar."""
    base = os.path.basename(path).removesuffix(".zst").removesuffix(".tensors").removesuffix(".safetensors")
    return os.path.basename(os.path.dirname(os.path.abspath(path))) if base == "model" else base


def main():
    majorities, ends = set(), [float("inf"), 0]
    for argument in sys.argv[1:]:
        models, majority = read(argument)
        majorities.add(majority)
        for name, model in models:
            print(f'"{name}"')
            for place in model["positions"]:
                ends = [min(ends[0], place["position"]), max(ends[1], place["position"])]
                print(place["position"], 100 * place["top1"], 100 * place["standard_error"])
            print("\n")
    for majority in sorted(majorities):
        print('"most frequent class"')
        for end in ends:
            print(end, 100 * majority, 0)
        print("\n")


if len(sys.argv) < 2:
    sys.exit(__doc__)
try:
    main()
except (OSError, KeyError, TypeError, json.JSONDecodeError) as error:
    sys.exit(f"probe-table.py: {' '.join(sys.argv[1:])}: expected tables of linear-probe; found {error!r}")
