#!/usr/bin/env python3
"""Loads what export-weights writes with LlamaGen's own class, and compares the logits with those of score-tokens.

Ends with 1 if a logit differs by more than --tolerance of the largest one, or if a parameter is missing or left over.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile

import numpy as np
import torch
from records import read_record
from safetensors.torch import load_file


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("llamagen", help="a checkout of LlamaGen")
    parser.add_argument("model", help="model file of train-ar, of one stage and a square grid")
    parser.add_argument("tokens", help="token file of the same codebook; its centre views are scored")
    parser.add_argument("--tools", default=".build/release", help="folder of the tools (default: %(default)s)")
    parser.add_argument("--tolerance", type=float, default=1e-4, help="default: %(default)s")
    return parser.parse_args()


def logits_of_tool(options, folder):
    """The logits [images, tokens, codes] of the first record, and its images' tokens and labels."""
    path = os.path.join(folder, "logits")
    command = [os.path.join(options.tools, "score-tokens"), options.tokens, "--model", options.model, "--logits", path]
    subprocess.run([*command, "--quiet"], check=True, stdout=subprocess.DEVNULL)
    logits = read_record(path)[1]["logits"]
    metadata, arrays = read_record(options.tokens)
    view = json.loads(metadata["views"]).index("center")
    count = min(len(logits), len(arrays["labels"]))
    return logits[:count], arrays["tokens"][:count, view].astype(np.int64), arrays["labels"][:count].astype(np.int64)


def logits_of_llamagen(options, folder, tokens, labels):
    sys.path.insert(0, options.llamagen)
    from autoregressive.models.gpt import ModelArgs, Transformer

    weights, config = os.path.join(folder, "model.safetensors"), os.path.join(folder, "config.json")
    command = [os.path.join(options.tools, "export-weights"), options.model, "--output", weights, "--config", config]
    subprocess.run([*command, "--quiet"], check=True)
    with open(config, encoding="utf-8") as file:
        model = Transformer(ModelArgs(**json.load(file)))
    # As LlamaGen's sample_c2i.py reads it.
    checkpoint = os.path.join(folder, "model.pt")
    torch.save({"model": load_file(weights)}, checkpoint)
    model.load_state_dict(torch.load(checkpoint, map_location="cpu")["model"], strict=True)
    model.eval()
    with torch.no_grad():
        found = model(
            torch.from_numpy(tokens[:, :-1]), torch.from_numpy(labels), input_pos=torch.arange(tokens.shape[1]))
    return (found[0] if isinstance(found, tuple) else found).numpy()


def main():
    options = arguments()
    with tempfile.TemporaryDirectory() as folder:
        ours, tokens, labels = logits_of_tool(options, folder)
        theirs = logits_of_llamagen(options, folder, tokens, labels)
    largest = float(np.abs(theirs).max())
    difference = float(np.abs(ours - theirs).max()) / largest
    print(f"{len(labels)} images: logits differ by {difference:.1e} of the largest, {largest:.3f}")
    sys.exit(difference > options.tolerance)


if __name__ == "__main__":
    main()
