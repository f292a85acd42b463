#!/usr/bin/env python3
"""Gathers what is known of a tokenizer into a report that compare.py and equal_time.py read: PSNR of the held-out
images, distances of the reconstructions to the training images, seconds of training, and the last losses."""

import argparse
import json
import os
import sys

import report

# The last steps, whose losses are averaged: a hundredth of the training, and ten steps at least.
LAST, LEAST = 100, 10


def last_losses(path):
    """Means of the terms of the loss over the last steps, as `training_perceptual_loss`."""
    with open(path, encoding="utf-8") as log:
        steps = [line for line in map(json.loads, log) if "loss" in line]
    last = steps[-max(LEAST, len(steps) // LAST):]
    names = [name for name in last[-1] if name.endswith("_loss") or name.startswith("logits_")]
    return {
        f"training_{name}": sum(line[name] for line in last if name in line) / sum(name in line for line in last)
        for name in sorted(names)
    }


def length(path, summary):
    """Steps of the whole training, and its seconds: None where it was resumed, because its log times the last run."""
    with open(path, encoding="utf-8") as log:
        steps = max(json.loads(line).get("step", 0) for line in log)
    return steps, summary["seconds"] if summary["steps"] == steps else None


def gather(tokenizer_log, tokens_log, metrics_file):
    tokenizer, tokens = (report.read_stage(path)["summary"] for path in (tokenizer_log, tokens_log))
    metrics = {"tokenizer": report.read_metrics(metrics_file)}
    steps, seconds = length(tokenizer_log, tokenizer)
    return {
        "figures": {
            "held_out_psnr": tokenizer.get("held_out_psnr"), "codebook_usage": tokens["code_usage"],
            "training_seconds": seconds, "training_steps": steps,
            **last_losses(tokenizer_log), **report.flat_metrics(metrics),
        },
        "metrics": metrics,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", help="the report to write")
    parser.add_argument("--logs", nargs=2, required=True, metavar="LOG", help="of train-tokenizer and tokenize")
    parser.add_argument("--metrics", required=True, metavar="FILE", help="of eval-metrics; may be missing")
    options = parser.parse_args()
    try:
        found = gather(*options.logs, options.metrics)
    except (OSError, KeyError, IndexError, ValueError) as error:
        sys.exit(f"tokenizer_report.py: {' '.join(options.logs)}: expected logs that end in a summary; "
                 f"found {error!r}; try: remove the product of that stage, and run make again")
    with open(options.output + ".partial", "w", encoding="utf-8") as file:
        json.dump(found, file, indent=2)
        file.write("\n")
    os.replace(options.output + ".partial", options.output)
    for name, value in found["figures"].items():
        print(f"  {name}: {'-' if value is None else format(value, '.5g')}")


if __name__ == "__main__":
    main()
