#!/usr/bin/env python3
"""Makes a table of summaries of eval-metrics --pairs or of rearrange-codebook: one line per file, with the number in
its name and its figures.

    tabulate.py cluster_size tables/size-8.json tables/size-16.json --output docs/results/sizes
"""

import argparse
import json
import os

from compare import origin, write


def read(path):
    number = int(os.path.basename(path).removesuffix(".json").rsplit("-", 1)[1])
    with open(path, encoding="utf-8") as file:
        summary = json.load(file)
    figures = summary.get("metrics") or {"inner_mse_unrefined": summary["inner_mse_unrefined"], **summary["after"]}
    return number, figures


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="of the number, a heading of the table")
    parser.add_argument("files", nargs="+", metavar="FILE-NUMBER.json")
    parser.add_argument("--output", metavar="PREFIX", help="write PREFIX.tsv and PREFIX.json too")
    options = parser.parse_args()
    rows = sorted((read(path) for path in options.files), key=lambda row: row[0])
    names = list(rows[0][1])
    lines = ["\t".join([options.name, *names])]
    lines += ["\t".join([str(number), *(f"{figures[name]:.6g}" for name in names)]) for number, figures in rows]
    print("\n".join(lines))
    if options.output:
        write(options.output + ".tsv", "\n".join(lines) + "\n")
        table = [{options.name: number, **figures} for number, figures in rows]
        write(options.output + ".json", json.dumps({**origin(), "rows": table}, indent=1) + "\n")


if __name__ == "__main__":
    main()
