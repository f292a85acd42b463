#!/usr/bin/env python3
"""Prints how many steps a method must train for to take as long as another one does.

    equal_time.py 'out/studies/baseline/2.5/*/report.json' 'out/studies/st-ar/2.5/*/report.json' --steps 1500

Both have trained for --steps steps. The seconds are the least of the reports of each, since other programs on the
machine only lengthen a training; reports of resumed trainings have none and are left out."""

import argparse
import glob
import json
import sys


def seconds(pattern):
    found = []
    for path in sorted(glob.glob(pattern)):
        with open(path, encoding="utf-8") as file:
            found.append(json.load(file)["figures"]["training_seconds"])
    found = [value for value in found if value is not None]
    if not found:
        raise ValueError(f"{pattern}: expected a report of a training that was not interrupted; found none; "
                         "try: remove the folder of one of them and make it again")
    return min(found)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("method", help="reports of the method whose steps are wanted")
    parser.add_argument("other", help="reports of the method that it is to take as long as")
    parser.add_argument("--steps", type=int, required=True)
    options = parser.parse_args()
    try:
        print(round(options.steps * seconds(options.other) / seconds(options.method)))
    except (OSError, ValueError, KeyError) as error:
        sys.exit(f"equal_time.py: {error}")


if __name__ == "__main__":
    main()
