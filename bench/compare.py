#!/usr/bin/env python3
"""Lays the lines of `tessera-bench --json` beside those of a peer, and prints a table of ratios.

A file may have several lines of a row, of runs in turn: the medians are printed, and after the ratio of the medians the
smallest and the largest ratio of two lines in the same turn.
"""

import argparse
import json
import statistics
import sys
from dataclasses import dataclass

KEYS = ("row", "precision", "threads", "unit", "rate", "peakMegabytes")


@dataclass(frozen=True)
class Work:
    """What two lines must agree in to be compared."""

    row: str
    precision: str
    threads: int
    unit: str

    def __str__(self):
        return f"{self.row} in {self.precision} with {self.threads} threads"


def read_lines(path, is_peer):
    """The lines of a file; at one that does not fit, the script ends and names its place."""
    try:
        with open(path, encoding="utf-8") as file:
            texts = file.read().splitlines()
    except OSError as error:
        sys.exit(f"compare: {path}: {error.strerror}")
    lines = []
    for number, text in enumerate(texts, 1):
        try:
            line = json.loads(text)
        except json.JSONDecodeError:
            sys.exit(f"compare: {path}:{number}: expected a line of JSON; found '{text[:40]}'")
        missing = [key for key in KEYS if not isinstance(line, dict) or key not in line]
        if missing:
            sys.exit(f"compare: {path}:{number}: expected the keys {', '.join(KEYS)}; missing {', '.join(missing)}")
        if ("peer" in line) != is_peer:
            expected = "a peer's line" if is_peer else "a line of tessera-bench"
            sys.exit(f"compare: {path}:{number}: expected {expected}; give the file of tessera-bench first, then the "
                     "peer's")
        if line.get("small"):
            sys.exit(f"compare: {path}:{number}: made with --small, which measures nothing; run it again without")
        lines.append(line)
    return lines


def grouped(lines):
    """The lines by what was done, and by the peer that did it, with a word if it was compiled."""
    result = {}
    for line in lines:
        peer = line.get("peer", "") + (", compiled" if line.get("compile") else "")
        result.setdefault((Work(*(line[key] for key in KEYS[:4])), peer), []).append(line)
    return result


def number(value):
    """Three digits or more, with a comma between thousands."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def ratio(ours, theirs):
    """Our median rate over theirs; with several turns also the smallest and the largest ratio of a turn."""
    ours, theirs = ([line["rate"] for line in lines] for lines in (ours, theirs))
    text = f"{statistics.median(ours) / statistics.median(theirs):.2f}"
    if len(ours) == len(theirs) > 1:
        turns = [a / b for a, b in zip(ours, theirs)]
        text += f" ({min(turns):.2f} to {max(turns):.2f})"
    return text


def megabytes(lines):
    return number(max(line["peakMegabytes"] for line in lines))


def table(ours, theirs):
    """The lines of a table in Markdown, and the names of what only one side has."""
    ours, theirs = {work: lines for (work, _), lines in grouped(ours).items()}, grouped(theirs)
    rows = ["| row | precision | threads | ours | peer | its figure | ratio | MB, ours and the peer's |",
            "|---|---|---|---|---|---|---|---|"]
    for (work, peer), lines in theirs.items():
        if work not in ours:
            continue
        own = ours[work]
        rates = [number(statistics.median(line["rate"] for line in side)) for side in (own, lines)]
        cells = [f"`{work.row}`", work.precision, work.threads, f"{rates[0]} {work.unit}/s", peer, rates[1],
                 ratio(own, lines), f"{megabytes(own)}, {megabytes(lines)}"]
        rows.append(f"| {' | '.join(map(str, cells))} |")
    done = {work for work, _ in theirs}
    alone = [f"only ours: {work}" for work in ours if work not in done]
    alone += [f"only {peer}: {work}" for work, peer in theirs if work not in ours]
    return rows, alone


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ours", help="file with lines of tessera-bench --json")
    parser.add_argument("peer", help="file with lines of scripts of this folder")
    options = parser.parse_args()
    rows, alone = table(read_lines(options.ours, is_peer=False), read_lines(options.peer, is_peer=True))
    if len(rows) == 2:
        sys.exit("\n".join(["compare: the files have no row in common", *alone]))
    print("\n".join(rows))
    if alone:
        print("\n".join(alone), file=sys.stderr)


if __name__ == "__main__":
    main()
