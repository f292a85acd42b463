#!/usr/bin/env python3
"""Plots the distance and the inception score of a sweep over guidance scales, with the published ones beside them.

    guidance_plot.py out/guidance.json --published pipelines/published/llamagen.tsv --model B --size 256 \\
        --output out/guidance

writes out/guidance-fid.svg and out/guidance-is.svg. Published figures are drawn only beside those of Inception's
features; a network without logits has no inception score."""

import argparse
import json
import sys

import published_figures
from compare import write
from result_plot import Line, plot


def chart(rows, column, own_title, known, name):
    """The plot of a figure over the guidance scale, or None where no run has it."""
    points = [(float(row["name"]), row[column]["values"]) for row in rows if row.get(column)]
    if not points:
        return None
    lines = [Line("here", sorted(points))]
    if known:
        table = next(iter(known.values()))["table"]
        lines.append(Line(f"LlamaGen, Table {table}", [(scale, [row[name]]) for scale, row in sorted(known.items())]))
    places = sorted({scale for line in lines for scale, _ in line.points})
    return plot(f"{own_title} over guidance", "guidance scale", own_title, places, lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sweep", help="the .json table of sweep.py")
    parser.add_argument("--published", required=True, metavar="FILE.tsv")
    parser.add_argument("--model", required=True)
    parser.add_argument("--size", required=True, type=int)
    parser.add_argument("--output", required=True, metavar="PREFIX")
    options = parser.parse_args()
    try:
        with open(options.sweep, encoding="utf-8") as file:
            sweep = json.load(file)
        inception = sweep["network"] == "inception-v3"
        known = published_figures.read(options.published, options.model, options.size) if inception else {}
        names = ("FID", "inception score") if inception else (
            f"Fréchet distance ({sweep['network']})", f"inception score ({sweep['network']})")
        for column, own_title, name in zip(("fd-*", "is-*"), names, ("fid", "is")):
            picture = chart(sweep["rows"], column, own_title, known, name)
            if picture:
                write(f"{options.output}-{name}.svg", picture)
                print(f"  {options.output}-{name}.svg")
    except (OSError, KeyError, TypeError, ValueError) as error:
        sys.exit(f"guidance_plot.py: {options.sweep}: expected a table of sweep.py over guidance scales; "
                 f"found {error!r}")


if __name__ == "__main__":
    main()
