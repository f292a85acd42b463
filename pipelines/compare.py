#!/usr/bin/env python3
"""Sets the reports of several experiments side by side: mean and spread over the reports of a name, such as its seeds.

    compare.py baseline='out/baseline/seed-*/report.json' ctf='out/ctf/seed-*/report.json'
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

from figure_names import figure, network_of, resolve

COLUMNS = {
    "held_out_loss": "held-out loss", "fd-*": "FD", "kd-*": "KD", "precision": "precision", "recall": "recall",
    "images_per_second": "images/s", "training_seconds": "training s",
}


def read_reports(paths):
    reports = []
    for path in paths:
        with open(path, encoding="utf-8") as file:
            reports.append(json.load(file))
    return reports


def one_network(named_reports):
    """The network that all reports with metrics were made with. Distances of two networks cannot be compared."""
    found = {}
    for name, report in named_reports:
        network = network_of(report)
        if network:
            found.setdefault(network[0], name)
    if len(found) > 1:
        names = ", ".join(f"{network} in {name}" for network, name in found.items())
        raise ValueError(f"expected reports whose metrics are of one network; found {names}; "
                         "try: make the reports again with one METRIC_NETWORK")
    return next(iter(found), None)


def summarize(name, paths, columns):
    """Mean, sample standard deviation and count of each figure over the reports of one name."""
    reports = read_reports(paths)
    row = {"name": name, "reports": paths}
    for column in columns:
        values = [value for value in (figure(report, column) for report in reports) if value is not None]
        row[column] = {
            "mean": statistics.mean(values), "values": values,
            "deviation": statistics.stdev(values) if len(values) > 1 else None,
        } if values else None
    return row


def spread(deviation):
    """A deviation with two significant digits and no exponent: ± 230."""
    return f" ± {float(f'{deviation:.2g}'):,.10g}"


def cell(found):
    if found is None:
        return "-"
    return f"{found['mean']:.4g}" + (spread(found["deviation"]) if found["deviation"] is not None else "")


def heading(column, reports):
    """The figure's name in the reports where the column stands for any network: `fid` or `fd-squeezenet-1.1`."""
    if "*" in column:
        return next((name for name in (resolve(column, report) for report in reports) if name), column)
    return COLUMNS.get(column, column)


def lines(rows, columns, reports=()):
    yield ["name", "runs"] + [heading(column, reports) for column in columns]
    for row in rows:
        yield [row["name"], str(len(row["reports"]))] + [cell(row[column]) for column in columns]


def write(path, text):
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with open(path + ".partial", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(path + ".partial", path)


def origin():
    """The command that makes a table, with the state of the source and the day."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], check=False, capture_output=True, text=True)
    return {"command": shlex.join([os.path.relpath(sys.argv[0]), *sys.argv[1:]]), "commit": commit.stdout.strip(),
            "date": datetime.date.today().isoformat()}


def compare(groups, columns, output, steps=None):
    """Prints the table of (name, paths) groups; writes it as `output`.tsv and `output`.json where asked."""
    reports = [(path, report) for _, paths in groups for path, report in zip(paths, read_reports(paths))]
    network = one_network(reports)
    rows = [summarize(name, paths, columns) for name, paths in groups]
    table = list(lines(rows, columns, [report for _, report in reports]))
    widths = [max(map(len, column)) for column in zip(*table)]
    for line in table:
        print("  ".join(text.ljust(width) for text, width in zip(line, widths)).rstrip())
    if output:
        write(output + ".tsv", "".join("\t".join(line) + "\n" for line in table))
        about = {**origin(), "network": network, **({"training_steps": steps} if steps else {})}
        write(output + ".json", json.dumps({**about, "rows": rows}, indent=1) + "\n")


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
                        help="keys of `figures` in the reports; fd-*, kd-*, sfd-* and is-* for any network")
    parser.add_argument("--steps", type=int, metavar="N", help="steps of each training, for PREFIX.json")
    parser.add_argument("--output", metavar="PREFIX", help="write PREFIX.tsv and PREFIX.json too")
    options = parser.parse_args()
    try:
        compare(options.groups, options.figures, options.output, options.steps)
    except ValueError as error:
        sys.exit(f"compare.py: {error}")
    except (OSError, KeyError) as error:
        sys.exit(f"compare.py: expected reports of pipelines; found {error!r}; try: make the report again")


if __name__ == "__main__":
    main()
