#!/usr/bin/env python3
"""Measures training steps on one and two ranks of this machine, for bench/cost_model.py.

    scaling.py --tools FOLDER --output docs/results/scaling

FOLDER has train-ar with Open MPI (make build MPI=1). Needs two idle cores, the packages of `pip install ./python`, and
for the links that are limited root's rights and the programs ip and tc: two ranks in two network namespaces, joined by
a pair of virtual Ethernet devices whose rate is limited by a token bucket. Writes a .tsv and a .json file. Takes about
ten minutes."""

import argparse
import contextlib
import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "python"))

import cost_model
import numpy as np
import tessera_files as tf

COLUMNS = ["model", "images", "tokens", "ranks", "threads", "link", "bytes_per_second", "latency", "calibrates",
           "seconds_per_step", "communication_seconds", "communication_seconds_alone", "communication_bytes"]
NAMESPACES = ("tessera-a", "tessera-b")
ADDRESSES = ("10.87.0.1", "10.87.0.2")
MPIRUN = "mpirun --allow-run-as-root --bind-to none"
TCP = "--mca pml ob1 --mca btl tcp,self"
SIZES = {"CPU-small": ("small.tokens.zst", 64), "GPT-B": ("large.tokens.zst", 256), "GPT-L": ("large.tokens.zst", 256)}


def write_tokens(path, side):
    """Random tokens of 16,384 codes, 64 images."""
    random = np.random.default_rng(1)
    header = tf.TokenHeader(16384, side, side, "0" * 64, 1000)
    tokens = random.integers(0, 16384, (64, 1, side * side), dtype=np.uint16)
    tf.write_tokens(path, tf.Tokens(header=header, tokens=tokens, labels=random.integers(0, 1000, 64, dtype=np.uint32)))


class Measurement:
    """Runs commands of train-ar in a folder and keeps a row for each."""

    def __init__(self, tools, folder):
        self.tool, self.folder, self.rows = os.path.join(os.path.abspath(tools), "train-ar"), folder, []

    def command(self, model, images, ranks, threads):
        tokens, _ = SIZES[model]
        return (f"{self.tool} {tokens} --model {model} --batch-size {images} --leaves {ranks} --threads {threads} "
                f"--held-out 0 --dropout 0.1 --steps 100 --seed 1 --quiet --estimate --json --output model.zst")

    def start(self, command):
        return subprocess.Popen(shlex.split(command), cwd=self.folder, stdout=subprocess.PIPE, text=True)

    def result(self, process):
        text, _ = process.communicate()
        if process.returncode != 0:
            sys.exit(f"scaling: {shlex.join(process.args)}: exit code {process.returncode}")
        return json.loads(text)

    def add(self, model, images, ranks=1, threads=1, link="none", launcher="", rate=None, latency=None, calibrates="",
            copies=1):
        """A row. `copies` runs are started at the same time, to keep all cores busy; their mean counts. Short runs, in
        which a disturbance weighs most, are made three times, and the median counts."""
        command = f"{launcher} {self.command(model, images, ranks, threads)}".strip()
        turns = [[self.result(one) for one in [self.start(command) for _ in range(copies)]]
                 for _ in range(3 if model == "CPU-small" else 1)]
        ends = sorted(turns, key=lambda turn: turn[0]["seconds_per_step"])[len(turns) // 2]
        row = {"model": model, "images": images, "tokens": SIZES[model][1], "ranks": ranks, "threads": threads,
               "link": link, "bytes_per_second": rate, "latency": latency, "calibrates": calibrates,
               "seconds_per_step": statistics.mean(end["seconds_per_step"] for end in ends)}
        for name, key in (("communication_seconds", "communication_seconds_per_step"),
                          ("communication_seconds_alone", "communication_seconds_alone_per_step"),
                          ("communication_bytes", "communication_bytes_per_step")):
            row[name] = ends[0].get(key)
        self.rows.append(row)
        print("\t".join(str(row[name]) for name in COLUMNS), flush=True)
        return row


@contextlib.contextmanager
def namespaces(folder):
    """Two network namespaces with a link between them; gives the launcher of two ranks, one in each."""
    def ip(words):
        subprocess.run(["ip", *words.split()], check=True)

    def remove():
        for name in NAMESPACES:
            subprocess.run(["ip", "netns", "delete", name], check=False, stderr=subprocess.DEVNULL)

    remove()
    a, b = NAMESPACES
    try:
        for name in NAMESPACES:
            ip(f"netns add {name}")
        ip(f"link add ta netns {a} type veth peer name tb netns {b}")
        for name, device, address in zip(NAMESPACES, ("ta", "tb"), ADDRESSES):
            ip(f"-n {name} addr add {address}/24 dev {device}")
            ip(f"-n {name} link set {device} up")
            ip(f"-n {name} link set lo up")
        # mpirun starts its second rank by this program in place of ssh.
        agent = os.path.join(folder, "agent")
        with open(agent, "w", encoding="utf-8") as file:
            file.write(f"#!/bin/sh\nshift\nexec ip netns exec {b} sh -c \"$*\"\n")
        os.chmod(agent, 0o755)
        yield (f"ip netns exec {a} {MPIRUN} {TCP} --mca plm_rsh_agent {agent} --mca btl_tcp_if_include 10.87.0.0/24 "
               f"--mca oob_tcp_if_include 10.87.0.0/24 --host {ADDRESSES[0]}:1,{ADDRESSES[1]}:1 -n 2")
    finally:
        remove()


def limit(megabits):
    """Both directions of the link."""
    for name, device in zip(NAMESPACES, ("ta", "tb")):
        subprocess.run(f"ip netns exec {name} tc qdisc replace dev {device} root tbf rate {megabits}mbit burst 1mb "
                       "latency 100ms", shell=True, check=True)


def measure(measurement):
    """All runs. What calibrates comes first: one core's speed with both cores busy, and what a byte costs."""
    add = measurement.add
    for model, few, many in (("CPU-small", 16, 64), ("GPT-B", 2, 4)):
        for images in (few, many):
            add(model, images, calibrates="compute", copies=2)
    # Weak and strong scaling on threads and on ranks with shared memory.
    shared = f"{MPIRUN} -n 2"
    add("CPU-small", 32, link="none, one core idle")
    for model, images in (("CPU-small", 32), ("GPT-B", 4), ("GPT-L", 2)):
        add(model, images, threads=2)
    add("CPU-small", 32, ranks=2, link="shared memory", launcher=shared)
    add("CPU-small", 64, ranks=2, link="shared memory", launcher=shared)
    add("GPT-B", 4, ranks=2, link="shared memory", launcher=shared, calibrates="handling")
    add("GPT-B", 8, ranks=2, link="shared memory", launcher=shared)
    loopback = f"{MPIRUN} {TCP} --mca btl_tcp_if_include lo -n 2"
    add("CPU-small", 32, ranks=2, link="loopback", launcher=loopback)
    add("GPT-B", 4, ranks=2, link="loopback", launcher=loopback, calibrates="handling")


def measure_limited(measurement):
    with namespaces(measurement.folder) as launcher:
        for megabits in (1000, 100):
            limit(megabits)
            # Of the rate, Ethernet, IP and TCP take about a twentieth.
            rate, link = 0.95 * megabits * 1e6 / 8, f"{megabits} Mbit/s"
            measurement.add("CPU-small", 32, ranks=2, link=link, launcher=launcher, rate=rate, latency=1e-4)
            measurement.add("CPU-small", 128, ranks=2, link=link, launcher=launcher, rate=rate, latency=1e-4)
            if megabits == 1000:
                measurement.add("GPT-B", 4, ranks=2, link=link, launcher=launcher, rate=rate, latency=1e-4)


def thread_efficiency(rows):
    """What two threads do of twice the work of one busy core: the mean over the models that calibrate."""
    shares = []
    for row in rows:
        alone = [one for one in rows if one["model"] == row["model"] and one["calibrates"] == "compute"]
        if row["threads"] == 2 and len(alone) == 2:
            compute = cost_model.fit(alone)
            one_core = compute.fixed + row["images"] * compute.per_image
            shares.append(one_core / row["seconds_per_step"] / 2)
    return statistics.mean(shares)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tools", default=".build/release", help="default: %(default)s")
    parser.add_argument("--output", default="docs/results/scaling", help="without an ending (default: %(default)s)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write_tokens(os.path.join(folder, "small.tokens.zst"), 8)
        write_tokens(os.path.join(folder, "large.tokens.zst"), 16)
        measurement = Measurement(options.tools, folder)
        print("\t".join(COLUMNS), flush=True)
        measure(measurement)
        if os.geteuid() == 0:
            measure_limited(measurement)
        else:
            print("scaling: the limited links are left out: they need root's rights", file=sys.stderr)
    measured = {"thread_efficiency": thread_efficiency(measurement.rows), "rows": measurement.rows}
    with open(options.output + ".json", "w", encoding="utf-8") as file:
        json.dump(measured, file, indent=1)
        file.write("\n")
    with open(options.output + ".tsv", "w", encoding="utf-8") as file:
        for row in [dict(zip(COLUMNS, COLUMNS)), *measurement.rows]:
            file.write("\t".join("" if row[name] is None else str(row[name]) for name in COLUMNS) + "\n")


if __name__ == "__main__":
    main()
