#!/usr/bin/env python3
"""losses.py LOG: the losses in a log of train-ar as a table: step, training, held-out, unigram entropy; '-' if none."""

import json
import sys


def main():
    training, held_out, entropy = {}, {}, "-"
    with open(sys.argv[1], encoding="utf-8") as log:
        for line in map(json.loads, log):
            step = line.get("step")
            if "token_loss" in line:
                training[step] = line["token_loss"]
            if "held_out_loss" in line:
                held_out[step] = line["held_out_loss"]
            if "summary" in line:
                entropy = line["summary"]["unigram_entropy"]
    for step in sorted(training.keys() | held_out.keys()):
        print(step, training.get(step, "-"), held_out.get(step, "-"), entropy)


if len(sys.argv) != 2:
    sys.exit(__doc__)
main()
