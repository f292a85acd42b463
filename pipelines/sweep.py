#!/usr/bin/env python3
"""Runs a pipeline for several values of one variable and several seeds, and sets the results side by side.

    sweep.py pipelines/ctf.mk CLUSTERS 16 32 64 --seeds 0 1 2 --output out/sweeps/clusters

A run is in OUTPUT/VALUE/seed-SEED. It begins as a copy of the first value's, of which make keeps the stages that the
variable leaves as they are, so that a sweep over settings of sampling trains once. With --start-from FOLDER, which has
seed-SEED folders of another sweep of the same settings, the first value's begins as a copy of that run, and nothing is
trained. With --from-nothing no run is a copy, for pipelines whose SHARED holds all that the runs have in common.
Whatever is there already is not made again. The tokenizer is one for all: SHARED's, with seed 0.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys

import compare


def folder_name(value):
    """The value as the name of a folder."""
    return re.sub(r"[^A-Za-z0-9.+-]+", "_", value.strip()).strip("_") or "none"


def run(pipeline, settings, folder, first):
    """Makes the report of one run."""
    if not os.path.exists(folder) and folder != first:
        # Beside it, then renamed: an interrupted copy would look like a run.
        shutil.rmtree(folder + ".partial", ignore_errors=True)
        shutil.copytree(first, folder + ".partial")
        os.replace(folder + ".partial", folder)
    command = ["make", "--no-print-directory", "-f", pipeline, f"OUT={folder}", *settings]
    status = subprocess.run(command, check=False).returncode
    if status != 0:
        sys.exit(f"sweep.py: {' '.join(command)} ended with status {status}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pipeline", help="a makefile")
    parser.add_argument("variable", help="of that makefile")
    parser.add_argument("values", nargs="+", help="the first is the one that the others are copied from")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--settings", nargs="*", default=[], metavar="NAME=VALUE", help="the same in all runs")
    parser.add_argument("--start-from", metavar="FOLDER", help="runs that the first value's begin as copies of")
    parser.add_argument("--from-nothing", action="store_true", help="begin each run in an empty folder")
    parser.add_argument("--output", required=True, metavar="FOLDER", help="of the runs; the table: FOLDER.tsv, .json")
    parser.add_argument("--table", metavar="PREFIX", help="write the table as PREFIX.tsv and PREFIX.json instead")
    parser.add_argument("--figures", nargs="+", default=list(compare.COLUMNS), metavar="KEY", help="of the table")
    options = parser.parse_args()
    names = [folder_name(value) for value in options.values]
    if len(set(names)) < len(names):
        parser.error(f"the values give folders of one name: {', '.join(names)}")
    groups = []
    for value, name in zip(options.values, names):
        paths = []
        for seed in options.seeds:
            folder, first = (os.path.join(options.output, place, f"seed-{seed}") for place in (name, names[0]))
            if options.start_from and name == names[0]:
                first = os.path.join(options.start_from, f"seed-{seed}")
            if options.from_nothing:
                first = folder
            settings = [f"{options.variable}={value}", f"SEED={seed}", "SHARED_SEED=0", *options.settings]
            run(options.pipeline, settings, folder, first)
            paths.append(os.path.join(folder, "report.json"))
        groups.append((value.strip() or "(none)", paths))
    print(f"\n{options.variable}")
    try:
        compare.compare(groups, options.figures, options.table or options.output)
    except ValueError as error:
        sys.exit(f"sweep.py: {error}")


if __name__ == "__main__":
    main()
