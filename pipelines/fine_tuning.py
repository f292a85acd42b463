#!/usr/bin/env python3
"""Compares trainings that start from a model with trainings from scratch.

    fine_tuning.py out/fine-tuning --seeds 0 1 2 --output docs/results/fine-tuning

Reads FOLDER/scratch/seed-SEED/logs/model.jsonl and FOLDER/tuned/seed-SEED/logs/model.jsonl. For each seed the table has
the steps and the last held-out loss of both, the first step at which the tuned one was at or below the last loss
from scratch, also as a share of the steps from scratch, and the first step at which the one from scratch was at or
below the last loss of the tuned one."""

import argparse
import json
import os
import sys

from compare import origin, write
from losses import read

COLUMNS = ["seed", "scratch steps", "scratch loss", "tuned steps", "tuned loss", "steps to the loss", "share of steps",
           "scratch steps to the tuned loss"]


def held_out(folder, start, seed):
    """The held-out losses of a run by step."""
    path = os.path.join(folder, start, f"seed-{seed}", "logs", "model.jsonl")
    curves, _ = read(path)
    if "held-out" not in curves:
        raise ValueError(
            f"{path}: expected held-out losses; found none; try: train-ar --held-out 0.05 --evaluate-every 25")
    return curves["held-out"]


def first_step(curve, target):
    """The first step with a loss that is not above the target, or None."""
    return min((step for step, loss in curve.items() if loss <= target), default=None)


def row(folder, seed):
    scratch, tuned = (held_out(folder, start, seed) for start in ["scratch", "tuned"])
    steps = max(scratch)
    target = scratch[steps]
    reached = first_step(tuned, target)
    return {
        "seed": seed, "scratch steps": steps, "scratch loss": target, "tuned steps": max(tuned),
        "tuned loss": tuned[max(tuned)], "steps to the loss": reached,
        "share of steps": None if reached is None else reached / steps,
        "scratch steps to the tuned loss": first_step(scratch, tuned[max(tuned)]),
    }


def cell(value):
    if value is None:
        return "not reached"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--output", required=True, help="name of the tables without .tsv and .json")
    options = parser.parse_args()
    try:
        rows = [row(options.folder, seed) for seed in options.seeds]
        lines = [COLUMNS, *([cell(one[name]) for name in COLUMNS] for one in rows)]
        text = "".join("\t".join(line) + "\n" for line in lines)
        print(text, end="")
        write(options.output + ".tsv", text)
        write(options.output + ".json", json.dumps({**origin(), "rows": rows}, indent=1) + "\n")
    except (OSError, ValueError) as error:
        sys.exit(f"fine_tuning.py: {error}")


if __name__ == "__main__":
    main()
