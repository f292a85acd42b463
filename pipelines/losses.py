#!/usr/bin/env python3
"""losses.py LOG: the losses in a log of train-ar or train-fine as a table; '-' where there is none.

The columns are the step, the token loss of training and of the held-out images, the unigram entropy of the tokens, and
the cluster loss of training and of the held-out images."""

import json
import sys

# Name of a curve, and its key in the log.
CURVES = {
    "training": "token_loss", "held-out": "held_out_loss",
    "training clusters": "cluster_loss", "held-out clusters": "held_out_cluster_loss",
}


def read(path):
    """The curves of a log as {name: {step: value}}, without those it lacks, and the unigram entropy or None."""
    curves, entropy = {name: {} for name in CURVES}, None
    with open(path, encoding="utf-8") as log:
        for line in map(json.loads, log):
            if "step" in line:
                for name, key in CURVES.items():
                    if line.get(key) is not None:
                        curves[name][line["step"]] = line[key]
            entropy = line.get("summary", {}).get("unigram_entropy", entropy)
    return {name: curve for name, curve in curves.items() if curve}, entropy


def last_mean(curve, steps=100):
    """The mean over the last steps of a curve: a single batch says little."""
    values = [curve[step] for step in sorted(curve)[-steps:]]
    return sum(values) / len(values)


def main():
    curves, entropy = read(sys.argv[1])
    columns = [curves.get(name, {}) for name in CURVES]
    for step in sorted(set().union(*columns)):
        training, held_out, *clusters = [column.get(step, "-") for column in columns]
        print(step, training, held_out, "-" if entropy is None else entropy, *clusters)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main()
