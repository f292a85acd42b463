#!/usr/bin/env python3
"""Compares methods with a baseline, each at its own best value of a swept variable, paired by seed.

    paired.py baseline=out/headlines/emoji/llamagen-baseline iar=out/headlines/emoji/iar --output docs/results/emoji

Each folder is one that sweep.py has filled: VALUE/seed-SEED/report.json. Figures that PREFIX.json has from earlier runs
are used too, so that a study can go on where `out` has been removed. The value of a method is the one with the lowest
mean of --choose over the seeds that all methods have. For each figure the table has the mean and the sample standard
deviation per method, and the mean difference to the first method with its 95 % confidence interval (Student's t).
Where lower is better, the verdict is "better" if the interval lies below zero, "worse" if it lies above, and "not
decided" otherwise.
"""

import argparse
import datetime
import glob
import json
import os
import shlex
import statistics
import subprocess
import sys

from compare import figure, write

# The 97.5 % quantile of Student's t by degrees of freedom.
T = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262, 10: 2.228}
HIGHER_IS_BETTER = ("precision", "recall", "token_top1", "cluster_top1", "probe_top1", "images_per_second")


def read(folder, figures):
    """{value: {seed: {figure: number}}} of a sweep."""
    runs = {}
    for path in glob.glob(os.path.join(folder, "*", "seed-*", "report.json")):
        value, seed = path.split(os.sep)[-3:-1]
        with open(path, encoding="utf-8") as file:
            report = json.load(file)
        runs.setdefault(value, {})[int(seed.removeprefix("seed-"))] = {name: figure(report, name) for name in figures}
    return runs


def with_earlier(methods, path, figures):
    """The runs and, where they lack a seed, what an earlier table has of it."""
    if not os.path.exists(path):
        return methods
    with open(path, encoding="utf-8") as file:
        earlier = json.load(file)["sweeps"]
    merged = {}
    for name, runs in methods.items():
        merged[name] = {}
        for value in sorted({*runs, *earlier.get(name, {})}):
            old = {int(seed): found for seed, found in earlier.get(name, {}).get(value, {}).items()
                   if set(figures) <= set(found)}
            merged[name][value] = old | runs.get(value, {})
    return merged


def common_seeds(methods):
    seeds = [set(by_seed) for runs in methods.values() for by_seed in runs.values()]
    return sorted(set.intersection(*seeds)) if seeds else []


def best_value(runs, seeds, choose):
    """The value with the lowest mean of a figure."""
    means = {value: statistics.mean(by_seed[seed][choose] for seed in seeds) for value, by_seed in runs.items()}
    return min(means, key=means.get)


def interval(differences):
    """Mean, and half the width of the 95 % confidence interval; None for a single difference."""
    n = len(differences)
    half = T[n - 1] * statistics.stdev(differences) / n ** 0.5 if n > 1 else None
    return statistics.mean(differences), half


def verdict(mean, half, name):
    if half is None:
        return "one seed"
    sign = -1 if name in HIGHER_IS_BETTER else 1
    if sign * mean + half < 0:
        return "better"
    return "worse" if sign * mean - half > 0 else "not decided"


def compare(methods, seeds, figures, choose):
    """One row per method and figure."""
    chosen = {name: best_value(runs, seeds, choose) for name, runs in methods.items()}
    first = next(iter(methods))
    for name, runs in methods.items():
        for key in figures:
            values = [runs[chosen[name]][seed][key] for seed in seeds]
            base = [methods[first][chosen[first]][seed][key] for seed in seeds]
            if None in values or None in base:
                continue
            row = {"method": name, "value": chosen[name], "figure": key, "values": values,
                   "mean": statistics.mean(values),
                   "deviation": statistics.stdev(values) if len(values) > 1 else None}
            if name != first:
                mean, half = interval([value - other for value, other in zip(values, base)])
                row |= {"difference": mean, "interval": half, "verdict": verdict(mean, half, key)}
            yield row


def text(number):
    return "" if number is None else f"{number:.4g}" if abs(number) < 1000 else f"{number:,.0f}"


def lines(rows, variable):
    yield ["method", variable, "figure", "mean", "deviation", "difference", "95 % interval", "verdict"]
    for row in rows:
        half = row.get("interval")
        low_high = "" if half is None else f"{text(row['difference'] - half)} to {text(row['difference'] + half)}"
        yield [row["method"], row["value"], row["figure"], text(row["mean"]), text(row["deviation"]),
               text(row.get("difference")), low_high, row.get("verdict", "")]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("methods", nargs="+", metavar="NAME=FOLDER", help="the first is the baseline")
    parser.add_argument("--variable", default="guidance", help="what the sweeps vary; a heading of the table")
    parser.add_argument("--choose", default="fd-*", help="figure that the value is chosen by, the lowest mean")
    parser.add_argument("--figures", nargs="+", default=["held_out_loss", "fd-*", "kd-*", "precision", "recall"])
    parser.add_argument("--output", required=True, metavar="PREFIX", help="writes PREFIX.tsv and PREFIX.json")
    options = parser.parse_args()
    folders = dict(argument.split("=", 1) for argument in options.methods)
    figures = list(dict.fromkeys([*options.figures, options.choose]))
    methods = {name: read(folder, figures) for name, folder in folders.items()}
    methods = with_earlier(methods, options.output + ".json", figures)
    seeds = common_seeds(methods)
    empty = [name for name, runs in methods.items() if not runs]
    if empty or not seeds:
        sys.exit(f"paired.py: expected reports of the same seeds in {', '.join(folders.values())}; "
                 f"found none {'of ' + ', '.join(empty) if empty else 'in common'}; try: sweep.py first")
    rows = list(compare(methods, seeds, options.figures, options.choose))
    table = list(lines(rows, options.variable))
    widths = [max(map(len, column)) for column in zip(*table)]
    for line in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())
    write(options.output + ".tsv", "".join("\t".join(line) + "\n" for line in table))
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], check=False, capture_output=True, text=True)
    write(options.output + ".json", json.dumps({
        "command": shlex.join(["pipelines/paired.py", *sys.argv[1:]]), "commit": commit.stdout.strip(),
        "date": datetime.date.today().isoformat(), "seeds": seeds, "rows": rows,
        "sweeps": {name: dict(sorted(runs.items())) for name, runs in methods.items()},
    }, indent=1) + "\n")


if __name__ == "__main__":
    main()
