#!/usr/bin/env python3
"""How long does a request to `sample --serve` take, once the model is loaded, beside the sampling time of one `sample`?

    bench/serving.py MODEL [--tools .build/release] [--count 32] [--runs 6] [--threads 2]

Both draw the same number of images of the first four classes, in turn. Of the server its second request counts, and of
`sample` the seconds that it reports, without its start. Prints a line of JSON: the medians, and their ratio."""

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time

CLASSES = [0, 1, 2, 3]


def second_request(options):
    """Seconds from a request to its last answer; the request before it has warmed the server up."""
    command = [os.path.join(options.tools, "sample"), "--serve", "--model", options.model, "--threads",
               str(options.threads), "--guidance", "2.5", "--batch-size", "64"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        for seed in range(2):
            start = time.perf_counter()
            server.stdin.write(json.dumps({"classes": CLASSES, "count": options.count, "seed": seed}) + "\n")
            server.stdin.flush()
            for _ in range(len(CLASSES) * options.count):
                answer = json.loads(server.stdout.readline())
                if "error" in answer:
                    raise SystemExit(f"serving.py: {answer['error']}")
            seconds = time.perf_counter() - start
        server.stdin.close()
    return seconds


def one_run(options, folder):
    """Seconds that `sample` spends on drawing."""
    command = [os.path.join(options.tools, "sample"), "--model", options.model, "--threads", str(options.threads),
               "--guidance", "2.5", "--batch-size", "64", "--per-class", str(options.count), "--classes",
               ",".join(map(str, CLASSES)), "--json", "--quiet", "--output", os.path.join(folder, "samples.zst")]
    summary = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(summary)["seconds"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--tools", default=".build/release")
    parser.add_argument("--count", type=int, default=32, help="images per class")
    parser.add_argument("--runs", type=int, default=6)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    served, sampled = [], []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(options.runs):
            served.append(second_request(options))
            sampled.append(one_run(options, folder))
    medians = statistics.median(served), statistics.median(sampled)
    print(json.dumps({"request_seconds": medians[0], "sample_seconds": medians[1], "ratio": medians[0] / medians[1]}))


if __name__ == "__main__":
    main()
