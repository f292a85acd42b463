#!/usr/bin/env python3
"""Trains some steps with train-ar and with a plain PyTorch model, and compares the loss of every step.

Both start from the same weights and see the same batches. Ends with 1 if a loss differs by more than --tolerance.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile

import numpy as np
import torch
from model import Transformer
from order import batches
from records import read_record, write_record
from torch.nn import functional


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tokens", nargs="?", help="token file; without it, tokens are made up")
    parser.add_argument("--tools", default=".build/release", help="folder of the tools (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--cluster-size", type=int, default=0, help="adds IAR's cluster loss, of weight 1")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--double", action="store_true", help="PyTorch in float64")
    parser.add_argument("--tolerance", type=float, default=1e-4, help="default: %(default)s")
    return parser.parse_args()


def make_tokens(path, images=48, side=8, codes=256, classes=4):
    """Tokens of which something can be learnt: each is near the one before it, and a row starts by the class."""
    random = np.random.default_rng(0)
    labels = random.integers(classes, size=images)
    steps = random.integers(-8, 9, (images, side, side))
    tokens = (labels[:, None, None] * codes // classes + steps.cumsum(2)) % codes
    metadata = {
        "kind": "tokens", "version": "1", "vocab_size": str(codes), "grid": f"{side}x{side}",
        "codebook_sha256": "0" * 64, "num_classes": str(classes), "views": '["center"]', "layout": "raster",
    }
    write_record(path, metadata, {
        "tokens": tokens.reshape(images, 1, -1).astype(np.uint16), "labels": labels.astype(np.uint32)})


def train_with_tool(options, tokens, folder):
    """The weights before the first step, and the log of all steps."""
    common = [
        os.path.join(options.tools, "train-ar"), tokens, "--held-out", "0", "--dropout", "0", "--class-dropout", "0",
        "--seed", str(options.seed), "--layers", str(options.layers), "--heads", str(options.heads),
        "--width", str(options.width), "--quiet", "--evaluate-every", "0",
    ]
    initial, trained, log = (os.path.join(folder, name) for name in ("initial", "trained", "log"))
    # No option writes the start itself. A step of this length moves no weight but those that are 0, by 1e-30.
    still = ["--steps", "1", "--learning-rate", "1e-30", "--batch-size", "1"]
    subprocess.run([*common, *still, "-o", initial], check=True)
    subprocess.run([
        *common, "--steps", str(options.steps), "--learning-rate", str(options.learning_rate),
        "--batch-size", str(options.batch_size), "--cluster-size", str(options.cluster_size), "--log", log,
        "-o", trained], check=True)
    with open(log) as file:
        entries = [json.loads(line) for line in file]
    return initial, [entry["loss"] for entry in entries if "loss" in entry]


def optimizer_of(model, rate):
    """AdamW with LlamaGen's constants; weight decay is for matrices only."""
    matrices = [p for p in model.parameters() if p.dim() >= 2]
    vectors = [p for p in model.parameters() if p.dim() < 2]
    groups = [{"params": matrices, "weight_decay": 0.05}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.95), eps=1e-8)


def loss_of(logits, targets, cluster_size):
    """Mean cross-entropy of tokens, and of their clusters (IAR), whose probabilities are sums over blocks of codes."""
    rows, targets = logits.flatten(0, 1), targets.flatten()
    loss = functional.cross_entropy(rows, targets)
    if cluster_size > 0:
        clusters = rows.view(len(rows), -1, cluster_size).logsumexp(-1)
        loss = loss + functional.cross_entropy(clusters, targets // cluster_size)
    return loss


def train_with_torch(options, tokens, initial):
    metadata, weights = read_record(initial)
    model = Transformer(json.loads(metadata["config"]))
    model.load_state_dict({name: torch.from_numpy(np.where(abs(a) < 1e-20, 0, a)) for name, a in weights.items()})
    if options.double:
        model.double()
    _, arrays = read_record(tokens)
    codes, labels = (torch.from_numpy(arrays[name].astype(np.int64)) for name in ("tokens", "labels"))
    optimizer = optimizer_of(model, options.learning_rate)
    order = batches(codes.shape[0], codes.shape[1], options.batch_size, options.seed)
    losses = []
    for _, batch in zip(range(options.steps), order):
        images, views = (torch.tensor(part) for part in zip(*batch))
        targets = codes[images, views]
        loss = loss_of(model(labels[images], targets), targets, options.cluster_size)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
    return losses


def main():
    options = arguments()
    with tempfile.TemporaryDirectory() as folder:
        tokens = options.tokens or os.path.join(folder, "tokens")
        if not options.tokens:
            make_tokens(tokens)
        initial, ours = train_with_tool(options, tokens, folder)
        theirs = train_with_torch(options, tokens, initial)
    if len(ours) != options.steps:
        sys.exit(f"training: expected {options.steps} losses in the log; found {len(ours)}")
    differences = [abs(a - b) / abs(b) for a, b in zip(ours, theirs)]
    for step, (a, b, difference) in enumerate(zip(ours, theirs, differences), 1):
        print(f"step {step:3}  train-ar {a:.7f}  torch {b:.7f}  relative difference {difference:.1e}")
    print(f"largest relative difference {max(differences):.1e} (tolerance {options.tolerance:.0e})")
    print(f"torch {torch.__version__}")
    sys.exit(0 if max(differences) <= options.tolerance else 1)


if __name__ == "__main__":
    main()
