#!/usr/bin/env python3
"""Writes a page about one run of a pipeline, or about several side by side: one HTML file that needs nothing else.

    report_page.py out/iar --output out/iar/report.html
    report_page.py out/quickstart out/iar out/ctf --output out/compare.html
"""

import argparse
import os
import sys

from compare import write
from pages.html_parts import page
from pages.run import Run
from pages.several_runs import several_runs
from pages.single_run import single_run


def names_of(folders):
    """The parts of the paths in which the folders differ: what they begin and end with alike says nothing."""
    parts = [os.path.abspath(folder).split(os.sep) for folder in folders]
    if len(parts) == 1:
        return [parts[0][-1]]
    if len(set(map(tuple, parts))) < len(parts):
        return folders
    shortest = min(map(len, parts))
    first = next((place for place in range(shortest) if len({part[place] for part in parts}) > 1), shortest)
    last = next((place for place in range(shortest - first) if len({part[-1 - place] for part in parts}) > 1), 0)
    return ["/".join(part[first:len(part) - last]) or "." for part in parts]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", metavar="FOLDER", help="of a run; has report.json")
    parser.add_argument("--output", required=True, metavar="FILE", help="the page to write")
    options = parser.parse_args()
    try:
        runs = [Run(folder, name) for folder, name in zip(options.folders, names_of(options.folders))]
        title = f"Run {runs[0].name}" if len(runs) == 1 else f"{len(runs)} runs side by side"
        write(options.output, page(title, single_run(runs[0]) if len(runs) == 1 else several_runs(runs)))
    except (OSError, KeyError, ValueError) as error:
        sys.exit(f"report_page.py: expected folders of finished runs, each with a report.json; found {error!r}; "
                 "try: run the pipeline first")


if __name__ == "__main__":
    main()
