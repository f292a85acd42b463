"""What linear-probe, attention-maps and score-tokens found of a model, as figures for the report."""

import json
import os


def figures(paths):
    """Name to number, from probe.json, attention.json and the scores of test images, where they are given."""
    readers = {"probe.json": read_probe, "attention.json": read_attention, "test-scores.json": read_scores}
    found = {}
    for path in paths:
        with open(path, encoding="utf-8") as file:
            found |= readers[os.path.basename(path)](file)
    return found


def read_probe(file):
    table = json.load(file)
    model, = table["models"]
    places = {f"probe_top1_at_{place['position']}": place["top1"] for place in model["positions"]}
    means = {"probe_top1": model["mean_top1"], "probe_balanced_top1": model["mean_balanced_top1"]}
    return {**means, "probe_majority": table["majority"], **places}


def read_attention(file):
    summary = json.load(file)
    found = {"attention_uniform_distance": summary["uniform_distance"]}
    for layer in summary["layers"]:
        found[f"attention_distance_{layer['layer']}"] = layer["mean_distance"]
        found[f"attention_class_weight_{layer['layer']}"] = layer["class_weight"]
    return found


def read_scores(file):
    return {"test_loss": json.load(file)["loss"]}


def lines(found):
    """What a reader wants to know first."""
    if "probe_top1" in found:
        yield (f"linear probes       {found['probe_top1'] * 100:6.1f} % of images, "
               f"{found['probe_majority'] * 100:.1f} % by the most frequent class; "
               f"{found['probe_balanced_top1'] * 100:.1f} % of each class")
    distances = [value for name, value in found.items() if name.startswith("attention_distance_")]
    if distances:
        yield (f"attention distance  {', '.join(f'{value:.2f}' for value in distances)} tokens by layer, "
               f"{found['attention_uniform_distance']:.2f} if even")
    if "test_loss" in found:
        yield f"test loss           {found['test_loss']:6.3f} nats per token"
