#!/usr/bin/env python3
"""Runs the tools on files as large as the papers' and prints a table: tool, input, seconds, peak memory.

    check-scale.py [FOLDER]      the tools of another folder than .build/release

IMAGES=1281167 VIEWS=1 SAMPLES=50000 PICTURES=100000 are the sizes, LARGE=GPT-L is the largest model, and
PARTS="training samples pictures models" is what is measured. TMPDIR must have room for three times the tokens, 2 GB per
view of ImageNet. Tokens are drawn at random, the worst case for their compression. Fails where a tool fails, or needs
more memory than docs/scale.md says."""

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def size(name, usual):
    """A size from the environment."""
    text = os.environ.get(name, str(usual))
    if not text.isdecimal() or int(text) < 1:
        sys.exit(f"check-scale: {name}: expected a number from 1; found {text}")
    return int(text)


IMAGES, VIEWS, SAMPLES = size("IMAGES", 1281167), size("VIEWS", 1), size("SAMPLES", 50000)
PICTURES, LARGE = size("PICTURES", 100000), os.environ.get("LARGE", "GPT-L")
RECORD = 1024
SHARDS = 4
TOKENIZER = "--model CPU-4 --size 32 --channels 8 --multipliers 1,2,4 --steps 1 --batch-size 8"
MODEL = "--layers 2 --heads 2 --width 64 --batch-size 16"


class Table:
    """Runs commands and prints a row for each."""

    def __init__(self, tools, folder):
        self.environment = {**os.environ, "PATH": tools + os.pathsep + os.environ["PATH"]}
        self.folder = folder
        print("tool", "input", "seconds", "peak_megabytes", sep="\t", flush=True)

    def run(self, command, largest="", most_megabytes=None):
        """Runs a command without a row, or with one where `largest` says what the input is."""
        words = command.split()
        start = time.monotonic()
        with open(os.path.join(self.folder, "output"), "wb") as output:
            process = subprocess.Popen([*words, "--quiet"], cwd=self.folder, env=self.environment, stdout=output)
            _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds, megabytes = time.monotonic() - start, usage.ru_maxrss * 1024 / 1e6
        if process.returncode != 0:
            sys.exit(f"check-scale: {command}: exit code {process.returncode}")
        if largest:
            print(words[0], largest, f"{seconds:.1f}", f"{megabytes:.0f}", sep="\t", flush=True)
        if most_megabytes is not None and megabytes > most_megabytes:
            sys.exit(f"check-scale: {command}: expected at most {most_megabytes} MB; found {megabytes:.0f}")

    def path(self, name):
        return os.path.join(self.folder, name)

    def codebook(self, name):
        """The hash of a tokenizer's codebook, as the tool that reads it says."""
        summary = subprocess.run(["show-file", "--json", name], cwd=self.folder, env=self.environment, check=True,
                                 capture_output=True, text=True).stdout
        return json.loads(summary)["records"][0]["metadata"]["codebook_sha256"]


def record(header, tokens, labels, shape):
    """A record of tokens (docs/formats.md): a safetensors blob."""
    tensors = {"__metadata__": {"kind": "tokens", "version": "1", "end_mark": "required", **header}}
    offset = 0
    for name, kind, data, sizes in (("labels", "U32", labels, shape[:1]), ("tokens", "U16", tokens, shape)):
        tensors[name] = {"dtype": kind, "shape": sizes, "data_offsets": [offset, offset + len(data)]}
        offset += len(data)
    text = json.dumps(tensors).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + labels + bytes(tokens)


def random_codes(count, codes):
    """Bytes of 16-bit numbers below `codes`, a power of two from 256."""
    data = bytearray(os.urandom(2 * count))
    data[1::2] = data[1::2].translate(bytes(value % (codes >> 8) for value in range(256)))
    return data


def write_tokens(path, count, codebook, codes, side, views, classes):
    """A token file of random tokens, one zstd frame per record of 1,024 images, and its end mark."""
    header = {"vocab_size": str(codes), "grid": f"{side}x{side}", "codebook_sha256": codebook,
              "num_classes": str(classes), "views": json.dumps([f"view-{view}" for view in range(views)])}
    records = 0
    with open(path, "wb") as file:
        for first in range(0, count, RECORD):
            images = min(RECORD, count - first)
            labels = b"".join((number % classes).to_bytes(4, "little") for number in range(first, first + images))
            blob = record(header, random_codes(images * views * side * side, codes), labels,
                          [images, views, side * side])
            file.write(subprocess.run(["zstd", "-q", "-1", "-c"], input=blob, check=True, capture_output=True).stdout)
            records += 1
        mark = b"TESSERAEND" + (1).to_bytes(2, "little") + records.to_bytes(8, "little") + count.to_bytes(8, "little")
        file.write((0x184D2A5E).to_bytes(4, "little") + len(mark).to_bytes(4, "little") + mark)


def write_images(path, count=16):
    """Small pictures for the tokenizers, whose quality does not matter here, as an array of NumPy."""
    shape = (count, 32, 32, 3)
    text = repr({"descr": "|u1", "fortran_order": False, "shape": shape}).encode()
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    with open(path, "wb") as file:
        file.write(b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text)
        # Piece by piece: what this process has in memory would count as that of the tools that it starts.
        for _ in range(count):
            file.write(os.urandom(math.prod(shape[1:])))


def measure_training_tokens(table, path):
    tokens = f"{IMAGES:,} images of {VIEWS} x 256 tokens"
    table.run(f"train-tokenizer images.npy --codes 16384 --output tokenizer.zst {TOKENIZER}")
    write_tokens(path("tokens.zst"), IMAGES, table.codebook("tokenizer.zst"), 16384, 16, VIEWS, 1000)
    table.run("show-file tokens.zst", tokens, 500)
    table.run("rearrange-codebook tokenizer.zst --cluster-size 128 --mapping order.zst --output rearranged.zst",
              "16,384 codes, 128 clusters")
    table.run("cluster-codebook tokenizer.zst --clusters 512 --output coarse.zst", "16,384 codes, 512 clusters")
    table.run("relabel-tokens --mapping order.zst tokens.zst --output relabelled.zst", tokens, 500)
    os.remove(path("tokens.zst"))
    table.run("export-tokens relabelled.zst --codes codes.npy --labels labels.npy", tokens)
    table.run("import-tokens codes.npy --labels labels.npy --tokenizer rearranged.zst --output imported.zst", tokens)
    table.run("perturb-tokens relabelled.zst --code-distance 8 --tokenizer rearranged.zst -o perturbed.zst", tokens)
    for name in ("codes.npy", "labels.npy", "imported.zst", "perturbed.zst"):
        os.remove(path(name))
    table.run(f"train-ar relabelled.zst --cluster-size 128 --steps 20 --held-out 0.00001 --output model.zst {MODEL}",
              tokens + ", 20 steps", 1000)
    share = min(0.5, 200 / IMAGES)
    table.run(f"score-tokens relabelled.zst --model model.zst --held-out {share}", tokens + ", 200 scored", 1000)
    table.run(f"detokenize relabelled.zst --tokenizer rearranged.zst --held-out {share} --npz some.npz",
              tokens + ", 200 decoded", 1000)
    table.run("attention-maps relabelled.zst --model model.zst --json", tokens + ", 64 looked at")
    table.run("cluster-codebook rearranged.zst --clusters 512 --output fine-to-coarse.zst")
    table.run("train-fine relabelled.zst --mapping fine-to-coarse.zst --steps 5 --held-out 0.00001 --output fine.zst "
              + MODEL, tokens + ", 5 steps", 1000)
    os.remove(path("relabelled.zst"))


def measure_samples(table, path):
    samples = f"{SAMPLES:,} samples of 64 tokens, 32 x 32 pixels"
    table.run(f"train-tokenizer images.npy --codes 1024 --output small.zst {TOKENIZER}")
    write_tokens(path("samples.zst"), SAMPLES, table.codebook("small.zst"), 1024, 8, 1, 10)
    table.run("detokenize samples.zst --tokenizer small.zst --npz samples.npz", samples)
    parts = [f"features-{part}.zst" for part in range(1, SHARDS + 1)]
    for part, name in enumerate(parts, start=1):
        shard = f"{part}/{SHARDS}"
        table.run(f"detokenize samples.zst --tokenizer small.zst --shard {shard} --folder part-{part}",
                  f"{samples}, shard {shard}")
        table.run("eval-metrics --samples samples.zst --tokenizer small.zst --network tokenizer "
                  f"--shard {shard} --write-features {name}", f"{samples}, features, shard {shard}")
    with open(path("features.zst"), "wb") as file:
        for name in parts:
            with open(path(name), "rb") as part:
                shutil.copyfileobj(part, file)
    table.run("eval-metrics --reference features.zst --samples features.zst", f"{SAMPLES:,} features twice")


def measure_pictures(table, path):
    pictures = f"{PICTURES:,} pictures of 32 x 32 pixels in one .npy"
    write_images(path("many.npy"), PICTURES)
    table.run(f"train-tokenizer many.npy --codes 1024 --output many.zst {TOKENIZER}", pictures + ", 1 step", 1000)
    table.run("tokenize many.npy --tokenizer many.zst --output many.tokens.zst", pictures, 1000)
    table.run(f"train-ar many.tokens.zst --steps 1 --output drawing.zst {MODEL}")
    drawn = SAMPLES // 5
    table.run(f"sample --model drawing.zst --count {drawn} --output drawn.zst", f"{drawn:,} images of 64 tokens", 1000)
    write_tokens(path("labelled.zst"), PICTURES, table.codebook("many.zst"), 1024, 8, 1, 10)
    table.run("linear-probe labelled.zst --model drawing.zst --epochs 1 --output probe.json",
              f"{PICTURES:,} images of 64 tokens")
    os.remove(path("many.npy"))


def measure_models(table, path):
    table.run(f"train-tokenizer images.npy --codes 16384 --output codes.zst {TOKENIZER}")
    write_tokens(path("few.zst"), 32, table.codebook("codes.zst"), 16384, 16, 1, 1000)
    table.run(f"train-ar few.zst --model {LARGE} --steps 1 --batch-size 1 --held-out 0 --output large.zst",
              f"{LARGE}, 1 step")
    table.run("show-file large.zst", LARGE)
    table.run("export-weights large.zst --output large.safetensors --config config.json", LARGE)
    table.run("import-weights --as ar-model large.safetensors --tokenizer codes.zst --grid 16x16 --classes 1000 "
              "--output back.zst", LARGE)
    table.run("sample --model large.zst --count 1 --output one.zst", f"{LARGE}, one image")


MEASUREMENTS = {"training": measure_training_tokens, "samples": measure_samples, "pictures": measure_pictures,
                "models": measure_models}


def main():
    parts = os.environ.get("PARTS", " ".join(MEASUREMENTS)).split()
    if unknown := set(parts) - set(MEASUREMENTS):
        sys.exit(f"check-scale: PARTS: expected some of {' '.join(MEASUREMENTS)}; found {' '.join(sorted(unknown))}")
    tools = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else os.path.join(HERE, ".build/release"))
    if not os.access(os.path.join(tools, "train-ar"), os.X_OK):
        sys.exit(f"check-scale: {tools}: expected the tools; found no train-ar; try: make build")
    place = os.environ.get("TMPDIR", "/tmp")
    if not os.access(place, os.W_OK):
        sys.exit(f"check-scale: TMPDIR: expected a folder that can be written to; found {place}")
    # Gigabytes must not stay behind.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    with tempfile.TemporaryDirectory(dir=place) as folder:
        table = Table(tools, folder)
        write_images(table.path("images.npy"))
        for part in parts:
            MEASUREMENTS[part](table, table.path)


if __name__ == "__main__":
    main()
