#!/usr/bin/env python3
"""Scores the held-out images by the models of two arms, and compares their accuracies paired by seed (IAR, Table A6).

    accuracies.py baseline=out/studies/baseline iar=out/studies/iar --value 2.5 --tokens images.tokens.zst \\
      --output docs/results/iar-table-a6

The first arm's tokens are in the tokenizer's order; its clusters are those of the second arm with the same seed, by the
mapping in that arm's folder. `token_in_cluster` is the paper's accuracy: the most probable token lies in the right
cluster. `cluster` is that the right cluster is the most probable one. Runs score-tokens from the path."""

import argparse
import glob
import json
import os
import subprocess
import sys

from compare import origin, write
from paired import common_seeds, compare, lines

FIGURES = [f"held_out_{kind}_top{best}" for kind in ("token_in_cluster", "token", "cluster") for best in (1, 5)]
FIGURES += ["held_out_cluster_loss", "held_out_loss"]


def score(tokens, model, held_out, *options):
    """What score-tokens says of the held-out images, under the names that figures of reports have."""
    command = ["score-tokens", tokens, "--model", model, "--held-out", held_out, "--json", "--quiet", *options]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        sys.exit(f"accuracies.py: {' '.join(command)}: exit code {ended.returncode}: {ended.stderr.strip()}")
    found = json.loads(ended.stdout)
    return {name: found[name.removeprefix("held_out_")] for name in FIGURES}


def seeds_of(folder):
    return {int(path.rsplit("-", 1)[1]): path for path in glob.glob(os.path.join(folder, "seed-*"))}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("arms", nargs=2, metavar="NAME=FOLDER", help="the first is the baseline")
    parser.add_argument("--value", required=True, help="of the sweeps; their models are the same for all values")
    parser.add_argument("--tokens", required=True, metavar="FILE", help="the baseline's tokens")
    parser.add_argument("--held-out", default="0.05", help="share of the images (default: %(default)s)")
    parser.add_argument("--output", required=True, metavar="PREFIX", help="writes PREFIX.tsv and PREFIX.json")
    options = parser.parse_args()
    (base, base_folder), (name, folder) = (arm.split("=", 1) for arm in options.arms)
    plain, clustered = (seeds_of(os.path.join(one, options.value)) for one in (base_folder, folder))
    methods = {base: {options.value: {}}, name: {options.value: {}}}
    for seed in sorted(set(plain) & set(clustered)):
        own = clustered[seed]
        methods[base][options.value][seed] = score(
            options.tokens, os.path.join(plain[seed], "model.tensors.zst"), options.held_out,
            "--mapping", os.path.join(own, "mapping.tensors.zst"))
        methods[name][options.value][seed] = score(
            os.path.join(own, "rearranged.tokens.zst"), os.path.join(own, "model.tensors.zst"), options.held_out)
    seeds = common_seeds(methods)
    if not seeds:
        sys.exit(f"accuracies.py: expected models of the same seeds in {base_folder} and {folder}; found none")
    rows = list(compare(methods, seeds, FIGURES, "held_out_loss"))
    table = list(lines(rows, "guidance"))
    write(options.output + ".tsv", "".join("\t".join(line) + "\n" for line in table))
    write(options.output + ".json", json.dumps(
        {**origin(), "seeds": seeds, "rows": rows, "sweeps": methods}, indent=1) + "\n")
    print("\n".join("  ".join(line) for line in table))


if __name__ == "__main__":
    main()
