"""A run of a pipeline that no tool has made: logs, metrics, settings and pictures of a made-up model, for tests of what
is written about runs. `python3 pipelines/tests/synthetic.py FOLDER` writes three runs and the pages about them."""

import contextlib
import importlib
import io
import json
import os
import struct
import sys
import zlib

PIPELINES = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def png(width, height):
    """An RGB picture with a gradient."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = b"".join(b"\0" + b"".join(bytes([x * 255 // width, y * 255 // height, 128]) for x in range(width))
                    for y in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def metrics(network, seed):
    """A report of eval-metrics."""
    values = {"precision": 0.5, "recall": 0.25 + seed / 100}
    if network == "inception-v3":
        values |= {"fid": 12.5 + seed, "sfid": 8.25, "is": 101.5, "is-standard_deviation": 2.5,
                   "kid": 0.01, "kid-standard_error": 0.001}
    else:
        values |= {f"fd-{network}": 5000.0 + seed, f"kd-{network}": 4000.0, f"kd-{network}-standard_error": 100.0}
    return {
        "metrics": values, "network": network, "comparable_with_published": network == "inception-v3",
        "weights_sha256": "0123456789abcdef" * 4, "protocol": f"{network}, some resize; float64",
        "reference": {"images": 3472, "features": 2048}, "samples": {"images": 900, "features": 2048},
        "duplicates": {"within_samples": 1, "in_reference": 2}, "warnings": ["one split of 900 images"],
    }


def training_log(clusters, loss):
    """What train-ar or train-fine says of 40 steps."""
    for step in range(1, 41):
        line = {"step": step, "token_loss": loss + 4 / step, "loss": loss + 8 / step, **seen(step)}
        yield line | ({"cluster_loss": loss / 2 + 2 / step} if clusters else {})
        if step % 10 == 0:
            yield {"step": step, **scores(clusters, loss + 5 / step), **seen(step)}
    yield {"elapsed_seconds": 20.0, "peak_megabytes": 200.0, "summary": {
        **scores(clusters, loss + 0.125), "parameters": 1000000, "seconds": 19.0, "steps": 40,
        "tokens_per_second": 1500.0, "unigram_entropy": 8.0, "epochs": 2.0, **seen(40),
    }}


def seen(step):
    return {"images_seen": 16 * step, "views_seen": 16 * step}


def scores(clusters, loss):
    found = {"held_out_loss": loss, "held_out_perplexity": 30.0}
    found |= {"held_out_token_top1": 0.25, "held_out_token_top5": 0.5}
    if clusters:
        found |= {"held_out_cluster_loss": loss / 2, "held_out_cluster_top1": 0.4, "held_out_cluster_top5": 0.7}
    return found


def stage(**summary):
    return [{"elapsed_seconds": 1.5, "peak_megabytes": 100.0, "summary": summary}]


def write(path, data):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data if isinstance(data, bytes) else data.encode())


def write_log(path, lines):
    write(path, "".join(json.dumps(line) + "\n" for line in lines))


def make_run(folder, network="inception-v3", method="iar", seed=0):
    """Files of a run of `method`: llamagen-baseline, iar or ctf. Returns the arguments for report.py."""
    logs = {"tokenizer": stage(held_out_psnr=25.0, parameters=500, images_per_second=50.0, steps=100),
            "tokens": stage(code_usage=0.9, code_perplexity=800.0, tokens_per_second=4000.0)}
    statistics = {"inner_mse": 0.01, "mean_distance": 0.4, "closest_distance": 0.1, "largest_distance": 0.9}
    if method == "iar":
        logs["codebook"] = stage(after=statistics, before=statistics, cluster_size=32)
    if method == "ctf":
        logs["codebook"] = stage(statistics=statistics, clusters=32)
        logs["fine"] = list(training_log(False, 1.5))
        logs["scores"] = stage(joint_loss=3.75, coarse_loss=2.125, fine_loss=1.625)
    logs["model"] = list(training_log(method == "iar", 2.0))
    logs["samples"] = stage(images=16, images_per_second=20.0, seed=seed)
    for name, lines in logs.items():
        write_log(os.path.join(folder, "logs", f"{name}.jsonl"), lines)
    parts = ("training", "held-out", "reconstructions", "tokenizer")
    for part in parts:
        write(os.path.join(folder, "metrics", f"{part}.json"), json.dumps(metrics(network, seed)))
    for name, settings in {"model": "--steps 40 --seed " + str(seed), "sample": f"--per-class 2 --seed {seed}",
                           "tokenizer": "data/emoji --size 32 --steps 100"}.items():
        write(os.path.join(folder, "settings", name), settings + "\n")
    write(os.path.join(folder, "provenance.txt"),
          "tokenize data/emoji --output <images & more>.zst  # version 0.1.0\nsample --model model.tensors.zst\n")
    pictures = [os.path.join(folder, f"{name}.png") for name in ("reconstructions", "samples", "nearest")]
    for picture in pictures:
        write(picture, png(512, 128))
    return [os.path.join(folder, "report.json"),
            "--logs", *(os.path.join(folder, "logs", f"{name}.jsonl") for name in logs),
            "--metrics", *(os.path.join(folder, "metrics", f"{part}.json") for part in parts),
            "--pictures", *pictures]


def run(script, *arguments):
    """Runs a script of the pipelines in this process; its output. A script that fails raises SystemExit."""
    sys.path.insert(0, PIPELINES)
    before, sys.argv = sys.argv, [os.path.join(PIPELINES, script), *arguments]
    try:
        with contextlib.redirect_stdout(io.StringIO()) as output:
            importlib.import_module(script.removesuffix(".py")).main()
        return output.getvalue()
    finally:
        sys.argv = before
        sys.path.remove(PIPELINES)


def main():
    folder = sys.argv[1]
    runs = []
    for method in ("llamagen-baseline", "iar", "ctf"):
        runs.append(os.path.join(folder, method))
        run("report.py", *make_run(runs[-1], method=method))
        run("report_page.py", runs[-1], "--output", os.path.join(runs[-1], "report.html"))
    run("report_page.py", *runs, "--output", os.path.join(folder, "compare.html"))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main()
