#!/usr/bin/env python3
"""Makes a table of files that tools wrote with --json. Files of eval-metrics --pairs and of rearrange-codebook give a
line each, named by the number in the file's name; with --before-and-after one of rearrange-codebook gives two. Files of
tessera-bench give a line named by its row and format, and those of show-file --compare-views one per view.

    tabulate.py cluster_size tables/size-8.json tables/size-16.json --output docs/results/sizes
"""

import argparse
import json
import os
import sys

from compare import origin, write


def read(path, before_and_after=False):
    """[(name, {figure: number})] of a file."""
    with open(path, encoding="utf-8") as file:
        summary = json.load(file)
    if before_and_after:
        return [(when, {**summary[when], "adjacent_distance_sum": summary[f"adjacent_distance_sum_{when}"]})
                for when in ("before", "after")]
    if "views" in summary:
        views = [(view["view"], {"equal_tokens": view["equal_tokens"]}) for view in summary["views"]]
        return [*views, ("another image", {"equal_tokens": summary["another_image"]})]
    if "rate" in summary:
        name = f"{summary['row']} {summary['precision']}"
        return [(name, {f"{summary['unit']}_per_second": summary["rate"], "peak_megabytes": summary["peakMegabytes"]})]
    number = int(os.path.basename(path).removesuffix(".json").rsplit("-", 1)[1])
    found = summary.get("metrics") or {"inner_mse_unrefined": summary["inner_mse_unrefined"], **summary["after"]}
    return [(number, found)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="heading of the first column")
    parser.add_argument("files", nargs="+", metavar="FILE.json")
    parser.add_argument("--before-and-after", action="store_true", help="the codebook as trained, and in the new order")
    parser.add_argument("--output", metavar="PREFIX", help="write PREFIX.tsv and PREFIX.json too")
    options = parser.parse_args()
    try:
        rows = [row for path in options.files for row in read(path, options.before_and_after)]
    except (OSError, ValueError, KeyError, IndexError) as error:
        sys.exit(f"tabulate.py: expected what tools write with --json; found {error!r}")
    if all(isinstance(name, int) for name, _ in rows):
        rows.sort(key=lambda row: row[0])
    names = list(rows[0][1])
    lines = ["\t".join([options.name, *names])]
    lines += ["\t".join([str(name), *(f"{figures[key]:.6g}" for key in names)]) for name, figures in rows]
    print("\n".join(lines))
    if options.output:
        write(options.output + ".tsv", "\n".join(lines) + "\n")
        table = [{options.name: name, **figures} for name, figures in rows]
        write(options.output + ".json", json.dumps({**origin(), "rows": table}, indent=1) + "\n")


if __name__ == "__main__":
    main()
