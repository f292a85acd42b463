#!/usr/bin/env python3
"""Sets the reports of several experiments side by side: mean and spread over the reports of a name, such as its seeds.

    compare.py baseline='out/baseline/seed-*/report.json' ctf='out/ctf/seed-*/report.json'
"""

import argparse
import glob
import json
import os
import statistics
import sys

COLUMNS = {
    "held_out_loss": "held-out loss", "fd-*": "FD", "kd-*": "KD", "precision": "precision", "recall": "recall",
    "images_per_second": "images/s", "training_seconds": "training s",
}


def figure(report, column):
    """A figure of a report, or None; `fd-*` is the one of whatever network looked at the images."""
    figures = report["figures"]
    if not column.endswith("*"):
        return figures.get(column)
    network = next((part["network"] for part in report["metrics"].values() if part), None)
    return figures.get(f"{column[:-1]}{network}")


def summarize(name, paths, columns):
    """Mean, sample standard deviation and count of each figure over the reports of one name."""
    reports = []
    for path in paths:
        with open(path, encoding="utf-8") as file:
            reports.append(json.load(file))
    row = {"name": name, "reports": paths}
    for column in columns:
        values = [value for value in (figure(report, column) for report in reports) if value is not None]
        row[column] = {
            "mean": statistics.mean(values), "values": values,
            "deviation": statistics.stdev(values) if len(values) > 1 else None,
        } if values else None
    return row


def cell(found):
    if found is None:
        return "-"
    spread = f" ± {found['deviation']:.2g}" if found["deviation"] is not None else ""
    return f"{found['mean']:.4g}{spread}"


def lines(rows, columns):
    yield ["name", "runs"] + [COLUMNS.get(column, column) for column in columns]
    for row in rows:
        yield [row["name"], str(len(row["reports"]))] + [cell(row[column]) for column in columns]


def write(path, text):
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with open(path + ".partial", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(path + ".partial", path)


def compare(groups, columns, output):
    """Prints the table of (name, paths) groups; writes it as `output`.tsv and `output`.json where asked."""
    rows = [summarize(name, paths, columns) for name, paths in groups]
    table = list(lines(rows, columns))
    widths = [max(map(len, column)) for column in zip(*table)]
    for line in table:
        print("  ".join(text.ljust(width) for text, width in zip(line, widths)).rstrip())
    if output:
        write(output + ".tsv", "".join("\t".join(line) + "\n" for line in table))
        write(output + ".json", json.dumps(rows, indent=2) + "\n")


def parse_group(argument):
    name, sign, pattern = argument.partition("=")
    paths = sorted(glob.glob(pattern))
    if not sign or not paths:
        raise argparse.ArgumentTypeError(f"expected NAME=FILE with files that exist, found '{argument}'")
    return name, paths


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("groups", nargs="+", type=parse_group, metavar="NAME=FILE", help="a report.json, or a pattern")
    parser.add_argument("--figures", nargs="+", default=list(COLUMNS), metavar="KEY",
                        help="keys of `figures` in the reports; fd-* for any network")
    parser.add_argument("--output", metavar="PREFIX", help="write PREFIX.tsv and PREFIX.json too")
    options = parser.parse_args()
    try:
        compare(options.groups, options.figures, options.output)
    except (OSError, KeyError, json.JSONDecodeError) as error:
        sys.exit(f"compare.py: expected reports of pipelines; found {error!r}; try: make the report again")


if __name__ == "__main__":
    main()
