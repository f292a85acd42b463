#!/usr/bin/env python3
"""Writes docs/results.md: does each table and figure of the papers hold here?

    results_page.py            writes the page
    results_page.py --check    fails if the page is not what the committed tables give

The papers' numbers and what they claim are in docs/results/papers.json, ours in the tables beside it that studies have
written, and the minutes of a study in its makefile. A claim is that one cell is less than another, or that a column
rises; a cell is TABLE / ROW / FIGURE, or a number. The row of a method at another value than its best one, such as a
guidance scale, is called METHOD at VALUE. Plots are drawn of cells over an x that stands in their names."""

import argparse
import glob
import itertools
import json
import os
import re
import shlex
import statistics
import subprocess
import sys

from compare import spread
from figure_names import WILDCARD
from paired import interval
from result_plot import Line, plot

HERE = os.path.dirname(os.path.abspath(__file__))
DOCS = os.path.join(os.path.dirname(HERE), "docs")
# What docs/results has besides: the papers' numbers, and tables that other pages of docs show.
OTHERS = {"papers", "fine-tuning", "scaling", "optimizers"} | {
    f"{study}-{images}" for study in ("tokenizer-losses", "late-losses", "tokenizer-samples")
    for images in ("emoji", "wesnoth")}

# Comparisons that are not among the studies of studies.mk.
HEADLINES = {"headlines", "headlines-st-ar"}

INTRODUCTION = """# Results beside the papers'

This page answers one question: does each table and figure of the papers hold here? `pipelines/results_page.py` writes
it from the tables in `docs/results`, which the studies have written, and from `docs/results/papers.json`, which has the
papers' numbers. "Not run" means that there is no table yet; the command makes it, on two cores in
about as many minutes. Where there is one, the command has the variables that it was made with; the minutes are those of
the command without them.

The papers' figures are of ImageNet and of Inception's features. Ours are of small images and small models
([experiments](experiments.md#the-papers-tables-and-figures)), and where a paper has FID they have the Fréchet distance
of another network, `fd`: only directions can be compared. A claim holds, "yes", if the 95 % interval of the differences
of equal seeds (Student's t) lies on the claimed side of zero, and does not hold, "no", if it lies on the other side.
Figures that do not depend on a seed are compared as they are.
"""


class Tables:
    """The committed tables, each read once: {row: {figure: [number per seed]}}."""

    def __init__(self, folder):
        self.folder, self.read, self.swept, self.runs, self.variables = folder, {}, {}, {}, {}
        # Tables of tabulate.py, whose figures do not depend on a seed.
        self.seedless = set()

    def table(self, name):
        if name not in self.read:
            path = os.path.join(self.folder, name + ".json")
            self.read[name] = None
            if os.path.exists(path):
                with open(path, encoding="utf-8") as file:
                    table = json.load(file)
                self.read[name] = rows_of(table)
                self.swept[name] = swept_rows_of(table)
                self.runs[name] = runs_of(table)
                self.variables[name] = variables_of(table)
                if not any("figure" in row or "reports" in row for row in table["rows"]):
                    self.seedless.add(name)
        return self.read[name]

    def cell(self, text):
        """The numbers of a cell, one per seed; None where its study was not run."""
        if " / " not in text:
            return [float(text)]
        name, row, figure = text.split(" / ")
        rows = (self.table(name) or {}) | self.swept.get(name, {})
        return (rows.get(row) or {}).get(figure)


def runs_of(table):
    """The trainings behind a table, in words, as far as it says them: "500 steps, seeds 0, 1, 2"."""
    steps, seeds = table.get("training_steps"), table.get("seeds")
    words = [f"{steps:,} steps"] if steps else []
    words += [f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"] if seeds else []
    counts = {len(row["reports"]) for row in table["rows"] if "reports" in row}
    words += [f"{count} run{'s' if count > 1 else ''} of each" for count in counts] if len(counts) == 1 else []
    return ", ".join(words)


def variables_of(table):
    """The variables of studies.mk with which a table was made, where they are not the usual ones: {name: value}."""
    words = shlex.split(table.get("command", ""))
    values = itertools.takewhile(lambda word: not word.startswith("--"), words[words.index("--values") + 1:]
                                 if "--values" in words else [])
    # Samples without guidance have no other scale to be made at.
    found = {"STEPS": str(table.get("training_steps", "")), "GUIDANCES": " ".join(values),
             "SEEDS": " ".join(map(str, table.get("seeds", [])))}
    found = table.get("variables", found)
    with open(os.path.join(HERE, "studies.mk"), encoding="utf-8") as file:
        usual = dict(re.findall(r"^(\w+) \?= (.*)$", file.read(), re.M))
    return {name: value for name, value in found.items() if value not in ("", "1", usual[name])}


def rows_of(table):
    """The rows of a table of paired.py, compare.py or tabulate.py."""
    rows = {}
    for row in table["rows"]:
        if "figure" in row:
            rows.setdefault(row["method"], {})[row["figure"]] = row["values"]
        elif "reports" in row:
            rows[row["name"]] = {key: value["values"] for key, value in row.items()
                                 if isinstance(value, dict) and "values" in value}
        else:
            name, *figures = row
            rows[str(row[name])] = {key: [row[key]] for key in figures}
    return rows


def swept_rows_of(table):
    """The rows of all values of a table of paired.py, whose own rows have the best value of each method."""
    return {f"{method} at {value}": {figure: [found[str(seed)][figure] for seed in table["seeds"]]
                                     for figure in found[str(table["seeds"][0])]}
            for method, values in table.get("sweeps", {}).items() for value, found in values.items()
            if all(str(seed) in found for seed in table["seeds"])}


def number(value):
    """Four digits, as the papers have at most."""
    if not isinstance(value, float | int):
        return "" if value is None else str(value)
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def shown(values):
    """Mean and sample standard deviation."""
    return number(statistics.mean(values)) + (spread(statistics.stdev(values)) if len(values) > 1 else "")


def judged(claim, tables):
    """(ours, verdict) of a claim."""
    if "rises" in claim:
        name, figure, rows = claim["rises"].split(" / ")
        cells = [tables.cell(f"{name} / {row} / {figure}") for row in rows.split()]
        if None in cells:
            return "", "not run"
        values = [statistics.mean(cell) for cell in cells]
        rises = all(low < high for low, high in itertools.pairwise(values))
        return f"{number(values[0])} to {number(values[-1])}", "yes" if rises else "no"
    less, more = (tables.cell(text) for text in claim["less"])
    if less is None or more is None:
        return "", "not run"
    measured_once = len(less) != len(more) or any(text.split(" / ")[0] in tables.seedless for text in claim["less"])
    sign = "<" if statistics.mean(less) < statistics.mean(more) else "≥"
    return f"{shown(less)} {sign} {shown(more)}", verdict(less, more, measured_once)


def verdict(less, more, measured_once):
    """By the 95 % interval of the differences of equal seeds, where there are several."""
    if measured_once:
        return "yes" if statistics.mean(less) < statistics.mean(more) else "no"
    mean, half = interval([low - high for low, high in zip(less, more)])
    direction = f"{'same' if mean < 0 else 'other'} direction"
    if half is None:
        return f"not decided (one run, {direction})"
    if mean + half < 0:
        return "yes"
    return "no" if mean - half > 0 else f"not decided ({direction})"


def markdown(head, rows):
    yield f"| {' | '.join(head)} |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield f"| {' | '.join(map(number, row))} |"


def minutes_of_studies():
    """The minutes that `make -f pipelines/studies.mk` prints for each study."""
    listing = subprocess.run(["make", "-s", "-f", os.path.join(HERE, "studies.mk")], check=True, capture_output=True,
                             text=True, env={**os.environ, "MAKEFLAGS": ""}).stdout
    return {name: int(minutes) for name, minutes in re.findall(r"^(\S+) +(\d+) min$", listing, re.M)}


def command(study, variables=None):
    """What makes a study's tables, with the variables of those that are there."""
    if study in HEADLINES:
        return f"`make {study}`"
    given = [f"{name}={shlex.quote(value)}" for name, value in (variables or {}).items()]
    return f"`{' '.join(['make', f'study-{study}', *given])}`"


def variables_behind(names, tables):
    """The variables with which the tables of these names were made, if they are the same for all."""
    found = [tables.variables[name] for name in names if tables.table(name)]
    return found[0] if found and all(one == found[0] for one in found) else {}


def tables_of(claim):
    """The names of the tables of which a claim has cells."""
    return {text.split(" / ")[0] for text in [*claim.get("less", []), claim.get("rises", "")] if " / " in text}


def own_table(name, tables):
    """A table of ours with a row per arm and a column per figure."""
    rows = tables.table(name)
    columns = list(dict.fromkeys(figure for row in rows.values() for figure in row))
    head = [figure.removesuffix("-*") if WILDCARD.fullmatch(figure) else figure for figure in columns]
    body = [[row, *(shown(figures[key]) if figures.get(key) else "" for key in columns)]
            for row, figures in rows.items()]
    yield from markdown([f"[{name}](results/{name}.tsv)", *head], body)


def plots_of(entry, tables):
    """The plots of an entry that have at least two points, as {name: SVG}."""
    plots = {}
    for drawing in entry.get("plots", []):
        lines = [Line(name, [(x, tables.cell(cell.replace("{x}", str(x)))) for x in drawing["places"]])
                 for name, cell in drawing["lines"].items()]
        lines = [line for line in lines if len(line.points) > 1]
        if lines:
            # Only places that some line has.
            there = [x for x in drawing["places"] if any(x == place for line in lines for place, _ in line.points)]
            places = [str(x) for x in there] if drawing.get("even") else there
            if drawing.get("even"):
                lines = [Line(line.name, [(str(x), values) for x, values in line.points]) for line in lines]
            plots[drawing["name"]] = plot(drawing["title"], drawing["x"], drawing["y"], places, lines)
    return plots


def section(entry, tables, minutes):
    yield f"### {entry['place']}: {entry['title']}"
    yield ""
    cost = f", about {minutes[entry['study']]} minutes" if entry["study"] in minutes else ""
    there = [name for name in entry.get("ours", []) if tables.table(name)]
    yield f"{command(entry['study'], variables_behind(there, tables))}{cost}."
    if "note" in entry:
        yield entry["note"]
    if "columns" in entry:
        yield ""
        yield "The paper's:"
        yield ""
        yield from markdown(entry["columns"], entry["rows"])
    for name in there:
        yield ""
        yield f"Ours ({tables.runs[name]}):" if tables.runs[name] else "Ours:"
        yield ""
        yield from own_table(name, tables)
    titles = {drawing["name"]: drawing["title"] for drawing in entry.get("plots", [])}
    for name in plots_of(entry, tables):
        yield ""
        yield f"![{titles[name]}](results/{name}.svg)"
    yield ""


def page(papers, tables, minutes):
    yield INTRODUCTION
    for key, name in papers["papers"].items():
        yield f"## {name}"
        yield ""
        yield from markdown(["place", "claim", "paper", "ours", "holds here", "command", "minutes"], [
            [entry["place"], claim["says"], claim["paper"], *judged(claim, tables),
             command(entry["study"], variables_behind(tables_of(claim), tables)), minutes.get(entry["study"])]
            for entry in papers["entries"] if entry["paper"] == key for claim in entry.get("claims", [])])
        yield ""
        for entry in papers["entries"]:
            if entry["paper"] == key:
                yield from section(entry, tables, minutes)
    yield "## Where the papers contradict themselves"
    yield ""
    yield from (f"* {text}" for text in papers["contradictions"])
    yield ""
    yield "## What has no comparison here"
    yield ""
    yield from markdown(["place", "reason"], papers["without"])


def unknown_studies(papers, minutes):
    """Studies that the papers' file names and the makefiles do not have."""
    named = {entry["study"] for entry in papers["entries"]} - HEADLINES
    return sorted(named - set(minutes))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the page is out of date")
    parser.add_argument("--docs", default=DOCS, metavar="FOLDER", help="of results.md and results/")
    options = parser.parse_args()
    with open(os.path.join(options.docs, "results", "papers.json"), encoding="utf-8") as file:
        papers = json.load(file)
    minutes = minutes_of_studies()
    if unknown_studies(papers, minutes):
        sys.exit("results_page.py: papers.json names studies that studies.mk lacks: "
                 f"{', '.join(unknown_studies(papers, minutes))}")
    tables = Tables(os.path.join(options.docs, "results"))
    files = {"results.md": "\n".join(page(papers, tables, minutes)) + "\n"}
    for entry in papers["entries"]:
        files |= {f"results/{name}.svg": drawing for name, drawing in plots_of(entry, tables).items()}
    if options.check:
        for name, text in files.items():
            if content_of(os.path.join(options.docs, name)) != text:
                sys.exit(f"results_page.py: docs/{name} is not what the tables in docs/results give; try: "
                         "pipelines/results_page.py")
        unused = unnamed_tables(options.docs, tables)
        if unused:
            sys.exit(f"results_page.py: tables that no row of docs/results.md uses: {', '.join(unused)}")
        return
    for name, text in files.items():
        with open(os.path.join(options.docs, name), "w", encoding="utf-8") as file:
            file.write(text)


def content_of(path):
    """The text of a file; None where there is none."""
    if not os.path.exists(path):
        return None
    with open(path, encoding="utf-8") as file:
        return file.read()


def unnamed_tables(docs, tables):
    """Committed tables that the page did not look at."""
    paths = glob.glob(os.path.join(docs, "results", "*.json"))
    there = {os.path.basename(path).removesuffix(".json") for path in paths}
    return sorted(there - set(tables.read) - OTHERS)


if __name__ == "__main__":
    main()
