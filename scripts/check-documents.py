#!/usr/bin/env python3
"""Runs the commands of the documents below as they are printed there, after a quick start in small.

    check-documents.py [FOLDER]      in FOLDER, a new temporary one if it is not given

The tools are those of .build/release. A command is an indented line that begins with a tool, a script or cat, with the
lines that continue it. Trainings are cut to a few steps, and weights that only the reader can have are replaced by
small ones of the tests; nothing else is changed. A command fails if it ends with another status than 0, or if it names
an output that is not there afterwards.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TOOLS = os.path.join(ROOT, ".build", "release")
DOCUMENTS = ["README.md", "docs/tools.md", "docs/scale.md"]
OUTPUT = re.compile(
    r"--(?:output|coarse-output|mapping-output|grid|folder|npz|map|map-sheet|rank) ([^\s-]\S*)|([\w-]+\.png) \w+\.json"
)
STEPS = re.compile(r"--steps \d+")
# A discriminator begins within the steps that are left.
START = re.compile(r"--adversarial-start \d+")
# Files that the reader has from elsewhere, and the weights in small that stand for them.
FOREIGN = {
    "vq_ds16_c2i.pt": ("vq_tiny.safetensors", "--image-size 16"),
    "c2i_B_256.pt": ("gpt_tiny.safetensors", "--heads 4 --grid=4x4 --classes 10"),
}
# The tensors of a fixture that are weights.
WEIGHT = "param."
# The model in small gets as many codes as the tokenizer in small has.
CODES = 64
OF_CODES = {"tok_embeddings.weight", "output.weight"}
# Commands that cannot be run here, with the reason; they are counted.
LEFT_OUT = {
    "pt_inception-2015-12-05-6726825d.pth": "the weights must be downloaded",
    "squeezenet-1.1.tensors.zst": "the weights must be downloaded",
}


def tools():
    return set(os.listdir(os.path.join(ROOT, "Sources", "Tools")))


def commands(document, names):
    """The commands of a document with the number of their first line; a block of lines that belong together is one."""
    with open(os.path.join(ROOT, document), encoding="utf-8") as file:
        lines = file.read().split("\n")
    number = 0
    while number < len(lines):
        first, text = number + 1, lines[number]
        number += 1
        words = text.split()
        if not text.startswith("    ") or not words:
            continue
        if words[0] not in {*names, "cat"} and not words[0].startswith("../../"):
            continue
        while text.rstrip().endswith(("\\", "|")):
            text = text.rstrip().removesuffix("\\") + " " + lines[number].strip()
            number += 1
        yield first, text.strip()


def prepared(folder):
    """The folder of a quick start in small, with the pictures and scripts where the documents expect them."""
    if not os.path.isdir(os.path.join(ROOT, "data", "emoji")):
        subprocess.run(["pipelines/datasets/emoji.py", "data/emoji"], cwd=ROOT, check=True)
    for name in ["data", "pipelines"]:
        os.symlink(os.path.join(ROOT, name), os.path.join(folder, name))
    place = os.path.join(folder, "out", "quickstart")
    settings = [
        f"OUT={place}",
        f"SHARED={place}",
        "DATA=" + os.path.join(ROOT, "data", "emoji"),
        "THREADS=1",
        "PER_CLASS=2",
        "TOKENIZER_STEPS=30",
        "TOKENIZER_OPTIONS=--model CPU-4 --channels 8 --multipliers 1,2,4 --batch-size 8",
        "MODEL_STEPS=30",
        "MODEL_OPTIONS=--model CPU-tiny --batch-size 4",
        "METRIC_SAMPLES=90",
        "METRIC_NETWORK=tokenizer",
    ]
    subprocess.run(
        ["make", "--no-print-directory", "-f", "pipelines/quickstart.mk", *settings],
        cwd=ROOT,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return place


def place_stand_ins(place):
    """The weights of the fixtures under LlamaGen's names, in the place of files that must be downloaded."""
    for name, (fixture, _) in FOREIGN.items():
        with open(os.path.join(ROOT, "Tests", "Fixtures", fixture), "rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
            data = file.read()
        kept, body = {}, b""
        for tensor, entry in header.items():
            if tensor.startswith(WEIGHT):
                name_there, shape = tensor.removeprefix(WEIGHT), entry["shape"]
                begin, end = entry["data_offsets"]
                if name_there in OF_CODES:
                    end = begin + (end - begin) // shape[0] * CODES
                    shape = [CODES, *shape[1:]]
                place_there = [len(body), len(body) + end - begin]
                kept[name_there] = {**entry, "shape": shape, "data_offsets": place_there}
                body += data[begin:end]
        text = json.dumps(kept).encode()
        with open(os.path.join(place, name), "wb") as file:
            file.write(len(text).to_bytes(8, "little") + text + body)


def runnable(command):
    """The command as it is run, and the reason why it is not."""
    for name, reason in LEFT_OUT.items():
        if name in command:
            return command, reason
    for name, (_, options) in FOREIGN.items():
        if f" {name} " in command:
            command += " " + options
    return START.sub("--adversarial-start 2", STEPS.sub("--steps 3", command)), None


def check(command, place):
    """What is wrong with a command, or nothing."""
    environment = {**os.environ, "PATH": TOOLS + os.pathsep + os.environ["PATH"]}
    run = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        check=False,
        cwd=place,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
    )
    if run.returncode != 0:
        return f"ended with {run.returncode}: {run.stderr.decode(errors='replace')[-600:]}"
    # An estimate writes no output.
    outputs = [] if "--estimate" in command else [first or second for first, second in OUTPUT.findall(command)]
    missing = [name for name in outputs if not os.path.exists(os.path.join(place, name))]
    return f"wrote no {', '.join(missing)}" if missing else None


def main():
    folder = os.path.abspath(sys.argv[1]) if len(sys.argv) > 1 else tempfile.mkdtemp()
    os.makedirs(folder, exist_ok=True)
    failures, left_out, count, unnamed = [], [], 0, tools()
    place = prepared(folder)
    place_stand_ins(place)
    for document in DOCUMENTS:
        for line, command in commands(document, tools()):
            unnamed -= set(command.split())
            command, reason = runnable(command)
            if reason:
                left_out.append(f"{document}:{line}: {reason}: {command}")
                continue
            count += 1
            if wrong := check(command, place):
                failures.append(f"{document}:{line}: {command}\n  {wrong}")
    unnamed -= {"tessera-bench"}
    if unnamed:
        failures.append(f"no document runs {', '.join(sorted(unnamed))}")
    print("\n".join(failures + [f"not run: {line}" for line in left_out]))
    if len(sys.argv) == 1:
        shutil.rmtree(folder)
    if failures:
        sys.exit(f"check-documents: {len(failures)} of {count} commands fail")
    print(f"check-documents: {count} commands run, {len(left_out)} left out")


if __name__ == "__main__":
    main()
