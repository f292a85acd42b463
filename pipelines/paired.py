#!/usr/bin/env python3
"""Compares methods with a baseline, each at its own best value of a swept variable, paired by seed.

    paired.py baseline=out/headlines/emoji/llamagen-baseline iar=out/headlines/emoji/iar --output docs/results/emoji

Each folder is one that sweep.py has filled: VALUE/seed-SEED/report.json. Figures that PREFIX.json has from earlier runs
are used too, so that a study can go on where `out` has been removed. The value of a method is the one with the best
mean of --choose over the seeds that all methods have. For each figure the table has the mean and the sample standard
deviation per method, and the mean difference to the first method with its 95 % confidence interval (Student's t).
Where lower is better, the verdict is "better" if the interval lies below zero, "worse" if it lies above, and "not
decided" otherwise.
"""

import argparse
import glob
import json
import os
import statistics
import sys

from compare import heading, one_network, origin, write
from figure_names import figure, higher_is_better

# The 97.5 % quantile of Student's t by degrees of freedom, from 1 to 30; beyond that it is near the normal one.
T = [float(word) for word in """12.706 4.303 3.182 2.776 2.571 2.447 2.365 2.306 2.262 2.228 2.201 2.179 2.160 2.145
    2.131 2.120 2.110 2.101 2.093 2.086 2.080 2.074 2.069 2.064 2.060 2.056 2.052 2.048 2.045 2.042""".split()]


def quantile(degrees):
    return T[degrees - 1] if degrees <= len(T) else 1.96 + 2.4 / degrees


def read(folder, figures, values=None):
    """{value: {seed: {figure: number}}} of a sweep, of all its values or of some, and its reports by their paths."""
    runs, reports = {}, []
    for path in sorted(glob.glob(os.path.join(folder, "*", "seed-*", "report.json"))):
        value, seed = path.split(os.sep)[-3:-1]
        if values and value not in values:
            continue
        with open(path, encoding="utf-8") as file:
            report = json.load(file)
        reports.append((path, report))
        runs.setdefault(value, {})[int(seed.removeprefix("seed-"))] = {name: figure(report, name) for name in figures}
    return runs, reports


def read_earlier(path):
    """The table that an earlier run has written, or an empty one."""
    if not os.path.exists(path):
        return {"sweeps": {}}
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def with_earlier(methods, earlier, figures, values=None):
    """The runs and, where they lack a seed, what an earlier table has of it."""
    merged = {}
    for name, runs in methods.items():
        merged[name] = {}
        for value in sorted({*runs, *earlier.get(name, {})} & set(values or [*runs, *earlier.get(name, {})])):
            old = {int(seed): found for seed, found in earlier.get(name, {}).get(value, {}).items()
                   if set(figures) <= set(found)}
            merged[name][value] = old | runs.get(value, {})
    return merged


def common_seeds(methods):
    seeds = [set(by_seed) for runs in methods.values() for by_seed in runs.values()]
    return sorted(set.intersection(*seeds)) if seeds else []


def best_value(runs, seeds, choose):
    """The value with the best mean of a figure; where some run lacks the figure, the first value."""
    if any(by_seed[seed][choose] is None for by_seed in runs.values() for seed in seeds):
        return next(iter(runs))
    means = {value: statistics.mean(by_seed[seed][choose] for seed in seeds) for value, by_seed in runs.items()}
    return (max if higher_is_better(choose) else min)(means, key=means.get)


def interval(differences):
    """Mean, and half the width of the 95 % confidence interval; None for a single difference."""
    n = len(differences)
    half = quantile(n - 1) * statistics.stdev(differences) / n ** 0.5 if n > 1 else None
    return statistics.mean(differences), half


def verdict(mean, half, name):
    higher = higher_is_better(name)
    if half is None or higher is None:
        return "one seed" if half is None else ""
    sign = -1 if higher else 1
    if sign * mean + half < 0:
        return "better"
    return "worse" if sign * mean - half > 0 else "not decided"


def compare(methods, seeds, figures, choose):
    """One row per method and figure that its runs have; no difference where the first method lacks the figure."""
    chosen = {name: best_value(runs, seeds, choose) for name, runs in methods.items()}
    first = next(iter(methods))
    for name, runs in methods.items():
        for key in figures:
            values = [runs[chosen[name]][seed][key] for seed in seeds]
            base = [methods[first][chosen[first]][seed][key] for seed in seeds]
            if None in values:
                continue
            row = {"method": name, "value": chosen[name], "figure": key, "values": values,
                   "mean": statistics.mean(values),
                   "deviation": statistics.stdev(values) if len(values) > 1 else None}
            if name != first and None not in base:
                mean, half = interval([value - other for value, other in zip(values, base)])
                row |= {"difference": mean, "interval": half, "verdict": verdict(mean, half, key)}
            yield row


def text(number):
    return "" if number is None else f"{number:.4g}" if abs(number) < 1000 else f"{number:,.0f}"


def lines(rows, variable, reports=()):
    yield ["method", variable, "figure", "mean", "deviation", "difference", "95 % interval", "verdict"]
    for row in rows:
        half = row.get("interval")
        low_high = "" if half is None else f"{text(row['difference'] - half)} to {text(row['difference'] + half)}"
        figure_name = heading(row["figure"], reports) if "*" in row["figure"] else row["figure"]
        yield [row["method"], row["value"], figure_name, text(row["mean"]), text(row["deviation"]),
               text(row.get("difference")), low_high, row.get("verdict", "")]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("methods", nargs="+", metavar="NAME=FOLDER", help="the first is the baseline")
    parser.add_argument("--variable", default="guidance", help="what the sweeps vary; a heading of the table")
    parser.add_argument("--values", nargs="+", help="of the variable; without it all that there are")
    parser.add_argument("--choose", default="fd-*", help="figure by whose mean the value is chosen")
    parser.add_argument("--figures", nargs="+", default=["held_out_loss", "fd-*", "kd-*", "precision", "recall"])
    parser.add_argument("--steps", type=int, help="of the baseline's training, for the table to say; "
                        "a table of other steps is not gone on with")
    parser.add_argument("--variables", nargs="+", default=[], metavar="NAME=VALUE",
                        help="of the makefile, for the table to say")
    parser.add_argument("--fits", action="store_true", help="write nothing: check before the trainings that the table "
                        "can be gone on with")
    parser.add_argument("--output", required=True, metavar="PREFIX", help="writes PREFIX.tsv and PREFIX.json")
    options = parser.parse_args()
    earlier = read_earlier(options.output + ".json")
    if options.steps and earlier.get("training_steps", options.steps) != options.steps:
        sys.exit(f"paired.py: {options.output}.json has trainings of {earlier['training_steps']} steps; found "
                 f"--steps {options.steps}; try: another --output (RESULTS=), or remove it")
    if options.fits:
        return
    folders = dict(argument.split("=", 1) for argument in options.methods)
    figures = list(dict.fromkeys([*options.figures, options.choose]))
    found = {name: read(folder, figures, options.values) for name, folder in folders.items()}
    reports = [run for _, runs in found.values() for run in runs]
    try:
        network = one_network(reports)
    except ValueError as error:
        sys.exit(f"paired.py: {error}")
    if network and earlier.get("network", network) != network:
        sys.exit(f"paired.py: {options.output}.json has figures of {earlier['network']}, the reports of {network}; "
                 "try: another --output")
    methods = with_earlier({name: runs for name, (runs, _) in found.items()}, earlier["sweeps"], figures,
                           options.values)
    seeds = common_seeds(methods)
    empty = [name for name, runs in methods.items() if not runs]
    if empty or not seeds:
        sys.exit(f"paired.py: expected reports of the same seeds in {', '.join(folders.values())}; "
                 f"found none {'of ' + ', '.join(empty) if empty else 'in common'}; try: sweep.py first")
    rows = list(compare(methods, seeds, options.figures, options.choose))
    table = list(lines(rows, options.variable, [report for _, report in reports]))
    widths = [max(map(len, column)) for column in zip(*table)]
    for line in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())
    write(options.output + ".tsv", "".join("\t".join(line) + "\n" for line in table))
    write(options.output + ".json", json.dumps({
        **origin(), "network": network or earlier.get("network"), "seeds": seeds,
        **({"training_steps": options.steps} if options.steps else {}),
        **({"variables": dict(one.split("=", 1) for one in options.variables)} if options.variables else {}),
        "rows": rows,
        "sweeps": {name: dict(sorted(runs.items())) for name, runs in methods.items()},
    }, indent=1) + "\n")


if __name__ == "__main__":
    main()
