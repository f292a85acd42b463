#!/usr/bin/env python3
"""Concatenates shards, checks that they are a whole, and makes one log of their logs. The shards are removed then.

    join_shards.py ALL.tokens.zst --logs SHARD-1.jsonl SHARD-2.jsonl --log ALL.jsonl --shards SHARD-1.zst SHARD-2.zst
"""

import argparse
import contextlib
import json
import math
import os
import shutil
import subprocess
import sys

SUMS = ("images", "skipped", "seconds")


def read_summary(path):
    """The last line of a log, which holds the summary."""
    with open(path, encoding="utf-8") as log:
        return json.loads(log.readlines()[-1])


def join(stages):
    """The last line of the log of one run that did what these runs did: seconds are those of all of them together."""
    parts = [stage["summary"] for stage in stages]
    summary = {key: value for key, value in parts[0].items() if key not in ("shard", "code_counts")}
    for key in SUMS:
        if key in summary:
            summary[key] = sum(part[key] for part in parts)
    for key in summary:
        if key.endswith("_per_second"):
            done = sum(part[key] * part["seconds"] for part in parts)
            summary[key] = done / summary["seconds"] if summary["seconds"] > 0 else 0
    if "code_counts" in parts[0]:
        summary |= usage([sum(counts) for counts in zip(*(part["code_counts"] for part in parts), strict=True)])
    return {
        "summary": summary,
        "elapsed_seconds": sum(stage["elapsed_seconds"] for stage in stages),
        "peak_megabytes": max(stage["peak_megabytes"] for stage in stages),
    }


def usage(counts):
    """How many of the codes occur, and how evenly."""
    total = sum(counts)
    entropy = -sum(count / total * math.log(count / total) for count in counts if count)
    used = sum(count > 0 for count in counts) / len(counts)
    return {"code_usage": used, "unigram_entropy": entropy, "code_perplexity": math.exp(entropy)}


@contextlib.contextmanager
def concatenated(shards, output):
    """Writes all shards beside the product, and has show-file read them from end to end. They take the product's place
    when the body has ended well; otherwise they are removed."""
    # A name of its own: a join that was begun earlier may still run after its make has been killed.
    partial = f"{output}.partial-{os.getpid()}"
    try:
        with open(partial, "wb") as file:
            for shard in shards:
                with open(shard, "rb") as part:
                    shutil.copyfileobj(part, file, 1 << 20)
            file.flush()
            os.fsync(file.fileno())
        subprocess.run(["show-file", "--quiet", partial], check=True, stdout=subprocess.DEVNULL)
        yield
        os.replace(partial, output)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.remove(partial)
        raise


def write(path, line):
    """Writes a file of one line."""
    with open(path + ".partial", "w", encoding="utf-8") as file:
        file.write(line + "\n")
    os.replace(path + ".partial", path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("output", help="the product")
    parser.add_argument("--shards", nargs="+", required=True, metavar="FILE", help="all shards, in order")
    parser.add_argument("--logs", nargs="+", required=True, metavar="LOG", help="of each shard")
    parser.add_argument("--log", required=True, help="the log to write")
    options = parser.parse_args()
    try:
        line = json.dumps(join([read_summary(path) for path in options.logs]), sort_keys=True)
        # The log comes first: make takes a stage whose product is there for done.
        with concatenated(options.shards, options.output):
            write(options.log, line)
    except (KeyError, IndexError, ValueError) as error:
        sys.exit(f"join_shards.py: {' '.join(options.logs)}: expected logs that end in a summary; found {error!r}; "
                 "try: remove the shards, and run make again")
    except OSError as error:
        sys.exit(f"join_shards.py: {error.filename or options.output}: {error.strerror}; "
                 "try: make again, which makes what is missing")
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)
    for path in options.shards + options.logs:
        os.remove(path)


if __name__ == "__main__":
    main()
