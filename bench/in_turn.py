#!/usr/bin/env python3
"""Runs rows of tessera-bench and the same rows in PyTorch in turn, and prints the ratios.

Every row of every turn is a process of its own. Their lines go to ours.jsonl and peers.jsonl in the output folder,
which are begun anew.
"""

import argparse
import os
import subprocess
import sys

import measure

FOLDER = os.path.dirname(os.path.abspath(__file__))
# The script of each row.
SCRIPTS = {
    "train_transformer.py": ("train-6x256", "train-8x384", "train-GPT-B"),
    "train_tokenizer.py": ("train-tokenizer-32", "train-adversarial-32"),
    "sample_transformer.py": ("sample-6x256", "sample-GPT-B", "sample-GPT-B-1"),
    "encode_images.py": ("encode-VQ-16", "decode-VQ-16", "encode-VAR-256"),
    "sample_var.py": ("VAR-d16-1", "VAR-d16-8"),
}
SCRIPT_OF_ROW = {row: script for script, rows in SCRIPTS.items() for row in rows}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", nargs="+", choices=list(SCRIPT_OF_ROW), default=list(SCRIPT_OF_ROW), metavar="ROW",
                        help=f"rows to measure: {', '.join(SCRIPT_OF_ROW)} (default: all)")
    parser.add_argument("--precision", nargs="+", choices=("float32", "bfloat16", "int8"),
                        default=["float32", "bfloat16"],
                        help="number formats; int8 leaves out the rows that do not have it (default: float32 bfloat16)")
    parser.add_argument("--threads", type=measure.positive, default=2, help="number of threads (default: %(default)s)")
    parser.add_argument("--runs", type=measure.positive, default=3,
                        help="timed runs of a row in a turn (default: %(default)s)")
    parser.add_argument("--turns", type=measure.positive, default=3, help="how often all is run (default: %(default)s)")
    parser.add_argument("--compile", action="store_true", help="PyTorch also with torch.compile")
    parser.add_argument("--small", action="store_true",
                        help="PyTorch in tiny sizes, which try this script out; the table is refused")
    parser.add_argument("--tessera-bench", metavar="TOOL", default=".build/release/tessera-bench",
                        help="default: %(default)s")
    parser.add_argument("--output", metavar="FOLDER", default="out/bench", help="default: %(default)s")
    return parser.parse_args()


def add_lines(command, path):
    """Adds what a command prints to a file; the script ends if the command fails."""
    try:
        ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    except OSError as error:
        sys.exit(f"in_turn: {command[0]}: {error.strerror}")
    if ended.returncode != 0:
        sys.exit(f"in_turn: ended with {ended.returncode}: {' '.join(command)}")
    with open(path, "a", encoding="utf-8") as file:
        file.write(ended.stdout)


def peers(options, row, settings):
    """The commands of the peer for a row: as it is, and compiled."""
    command = [sys.executable, os.path.join(FOLDER, SCRIPT_OF_ROW[row]), *settings]
    if options.small:
        command.append("--small")
    compiles = options.compile and "int8" not in settings
    return [command, [*command, "--compile"]] if compiles else [command]


def main():
    options = arguments()
    os.makedirs(options.output, exist_ok=True)
    ours, theirs = (os.path.join(options.output, name) for name in ("ours.jsonl", "peers.jsonl"))
    for path in (ours, theirs):
        open(path, "w", encoding="utf-8").close()
    work = [(row, precision) for precision in options.precision for row in options.rows
            if precision != "int8" or SCRIPT_OF_ROW[row] == "sample_transformer.py"]
    for turn in range(options.turns):
        for row, precision in work:
            print(f"turn {turn + 1} of {options.turns}: {row}, {precision}", file=sys.stderr)
            settings = ["--rows", row, "--precision", precision, "--threads", str(options.threads), "--runs",
                        str(options.runs)]
            add_lines([options.tessera_bench, *settings, "--json"], ours)
            for command in peers(options, row, settings):
                add_lines(command, theirs)
    sys.exit(subprocess.run([sys.executable, os.path.join(FOLDER, "compare.py"), ours, theirs], check=False).returncode)


if __name__ == "__main__":
    main()
