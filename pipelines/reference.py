#!/usr/bin/env python3
"""Is my loss normal? Committed curves of named runs, and the comparison of a new run with them.

    reference.py write NAME LOG...     writes docs/reference/NAME.tsv from the logs of train-ar of several seeds
    reference.py check NAME LOG        compares a log with it; ends with 1 where the loss leaves the range
    reference.py page [--check]        writes docs/reference-runs.md, or fails if it is not what the curves give

The range at a step goes from the least to the greatest loss of the seeds, and 4 % beyond each: by so much seeds of one
setting differ in small runs."""

import argparse
import glob
import json
import os
import statistics
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
DOCS = os.path.join(os.path.dirname(HERE), "docs")
MARGIN = 0.04
COLUMNS = ["step", "mean", "least", "greatest"]

INTRODUCTION = """# Reference runs

This page answers one question: is the loss of my run normal? `pipelines/reference.py page` writes it from the curves in
`docs/reference`.

A curve is the loss of the held-out images in nats per token (for IAR without the cluster loss), as the log of
`train-ar` has it under `held_out_loss`. Seeds of one setting differ; the tables have the least and the greatest of
them. A run is as expected if its loss is at most 4 % below the least and 4 % above the greatest.

    make check-reference NAME=emoji-1024-iar LOG=out/quickstart/logs/model.jsonl

compares a log with a curve and names the steps at which the loss is higher or lower than expected. Losses can be
compared only for the same settings of the tokenizer (the codes of a poor one are easier to predict) and the same number
of steps (the learning rate follows the length of the run).
"""

RUNS = {
    "emoji-16384-baseline": (
        "LlamaGen's baseline on emoji, 16,384 codes",
        "make -f pipelines/llamagen-baseline.mk PRESET=large-codebook OUT=out/reference SHARED=out/reference"),
    "emoji-16384-iar": (
        "IAR on emoji, 16,384 codes in clusters of 128",
        "make -f pipelines/iar.mk PRESET=large-codebook CLUSTER_SIZE=128 OUT=out/reference-iar SHARED=out/reference"),
    "wesnoth-16384-baseline": (
        "LlamaGen's baseline on Wesnoth's sprites, 16,384 codes",
        "make -f pipelines/llamagen-baseline.mk PRESET=large-codebook DATA=data/wesnoth/train "
        "OUT=out/reference-wesnoth SHARED=out/reference-wesnoth"),
    "wesnoth-16384-iar": (
        "IAR on Wesnoth's sprites, 16,384 codes in clusters of 128",
        "make -f pipelines/iar.mk PRESET=large-codebook CLUSTER_SIZE=128 DATA=data/wesnoth/train "
        "OUT=out/reference-wesnoth-iar SHARED=out/reference-wesnoth"),
    "emoji-1024-iar": (
        "The quick start: IAR on emoji, 1,024 codes in clusters of 32",
        "make quickstart"),
}


def curve_of(path):
    """The held-out losses of a log by step, and its summary with the seconds and megabytes."""
    curve, last = {}, {}
    if not os.path.exists(path):
        sys.exit(f"reference.py: {path}: expected a log of train-ar; found no such file; "
                 "try: the folder logs of the run")
    with open(path, encoding="utf-8") as log:
        for line in map(json.loads, log):
            if "step" in line and line.get("held_out_loss") is not None:
                curve[line["step"]] = line["held_out_loss"]
            if "summary" in line:
                last = line
    if not curve:
        sys.exit(f"reference.py: {path}: expected a log of train-ar with held-out losses; found none")
    return curve, last


def path_of(name, docs):
    return os.path.join(docs, "reference", name + ".tsv")


def read(name, docs):
    """The comments and the rows {step: (mean, least, greatest)} of a reference."""
    path = path_of(name, docs)
    if not os.path.exists(path):
        known = sorted(os.path.basename(one)[:-4] for one in glob.glob(path_of("*", docs)))
        sys.exit(f"reference.py: expected one of the references {', '.join(known)}; found '{name}'")
    with open(path, encoding="utf-8") as file:
        lines = file.read().splitlines()
    rows = [line.split("\t") for line in lines if not line.startswith("#")][1:]
    return [line[2:] for line in lines if line.startswith("#")], {
        int(step): tuple(map(float, values)) for step, *values in rows}


def write(name, logs, docs):
    curves, ends = zip(*map(curve_of, logs))
    steps = sorted(set.intersection(*map(set, curves)))
    sizes = [end["peak_megabytes"] for end in ends if "peak_megabytes" in end]
    text = [f"# {len(logs)} seeds; {round(max(sizes))} MB at most", "\t".join(COLUMNS)]
    for step in steps:
        values = [curve[step] for curve in curves]
        text.append(f"{step}\t{statistics.mean(values):.4f}\t{min(values):.4f}\t{max(values):.4f}")
    os.makedirs(os.path.join(docs, "reference"), exist_ok=True)
    with open(path_of(name, docs), "w", encoding="utf-8") as file:
        file.write("\n".join(text) + "\n")


def check(name, log, docs):
    """Prints each step that both have, and returns where its loss is out of the range, in words."""
    _, rows = read(name, docs)
    curve, _ = curve_of(log)
    common = sorted(set(rows) & set(curve))
    if not common:
        sys.exit(f"reference.py: {log}: expected scorings at steps of {name}, such as {min(rows)}; found none: the "
                 "reference was scored every 100 steps")
    outside = []
    for step in common:
        mean, least, greatest = rows[step]
        low, high = least * (1 - MARGIN), greatest * (1 + MARGIN)
        found = "LOWER" if curve[step] < low else "HIGHER" if curve[step] > high else ""
        outside += [f"step {step}, where it is {found.lower()}"] if found else []
        print(f"step {step}: {curve[step]:.3f}, expected {low:.3f} to {high:.3f} (mean {mean:.3f})"
              f"{found and '  ' + found}")
    return outside


def page(docs):
    yield INTRODUCTION
    for path in sorted(glob.glob(path_of("*", docs))):
        name = os.path.basename(path)[:-4]
        notes, rows = read(name, docs)
        title, command = RUNS.get(name, (name, None))
        yield f"## {name}"
        yield ""
        yield f"{title}: {'; '.join(notes)}."
        yield ""
        if command:
            yield f"    {command}"
            yield ""
        yield "| step | mean | least | greatest |"
        yield "|---|---|---|---|"
        for step, values in rows.items():
            yield f"| {step:,} | " + " | ".join(f"{value:.3f}" for value in values) + " |"
        yield ""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--docs", default=DOCS, metavar="FOLDER", help="of reference-runs.md and reference/")
    actions = parser.add_subparsers(dest="action", required=True)
    writing = actions.add_parser("write")
    writing.add_argument("name")
    writing.add_argument("logs", nargs="+")
    checking = actions.add_parser("check")
    checking.add_argument("name")
    checking.add_argument("log")
    actions.add_parser("page").add_argument("--check", action="store_true")
    options = parser.parse_args()
    if options.action == "write":
        write(options.name, options.logs, options.docs)
    elif options.action == "check":
        outside = check(options.name, options.log, options.docs)
        if outside:
            sys.exit(f"reference.py: {options.log}: not as expected at {len(outside)} of the steps, first at "
                     f"{outside[0]}; try: the settings of docs/reference-runs.md, those of the tokenizer too")
    else:
        path, text = os.path.join(options.docs, "reference-runs.md"), "\n".join(page(options.docs)).rstrip() + "\n"
        if not options.check:
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            return
        with open(path, encoding="utf-8") as file:
            if file.read() != text:
                sys.exit("reference.py: docs/reference-runs.md is not what docs/reference gives; try: "
                         "pipelines/reference.py page")


if __name__ == "__main__":
    main()
