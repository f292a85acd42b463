#!/usr/bin/env python3
"""tabulate.py NAME FILE-NUMBER.json...: a line a file, its number and its figures, as a table with tabs.

The files are summaries of eval-metrics --pairs or of rearrange-codebook."""

import json
import os
import sys


def read(path):
    number = int(os.path.basename(path).removesuffix(".json").rsplit("-", 1)[1])
    with open(path, encoding="utf-8") as file:
        summary = json.load(file)
    figures = summary.get("metrics") or {"inner_mse_unrefined": summary["inner_mse_unrefined"], **summary["after"]}
    return number, figures


def main():
    rows = sorted(read(path) for path in sys.argv[2:])
    names = list(rows[0][1])
    print(sys.argv[1], *names, sep="\t")
    for number, figures in rows:
        print(number, *(f"{figures[name]:.6g}" for name in names), sep="\t")


if len(sys.argv) < 3:
    sys.exit(__doc__)
main()
