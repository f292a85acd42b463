#!/usr/bin/env python3
"""Gathers the summaries in the tools' logs into report.json, and prints what a reader wants to know first."""

import argparse
import json
import os
import sys

import losses
import report_text
import understanding


def read_stage(path):
    """The last line of a log, which holds the summary."""
    with open(path, encoding="utf-8") as log:
        return json.loads(log.readlines()[-1])


def name_of(path):
    return os.path.basename(path).rsplit(".", 1)[0]


def gather(logs, metric_files, metric_logs, pictures, understood):
    stages = {name_of(path): read_stage(path) for path in logs}
    stages |= {name_of(path): read_stage(path) for path in metric_logs if os.path.exists(path)}
    summary = {name: stage["summary"] for name, stage in stages.items()}
    # A tokenizer from elsewhere has no log of its training.
    tokenizer, tokens, model = summary.get("tokenizer", {}), summary["tokens"], summary["model"]
    metrics = {name_of(path): read_metrics(path) for path in metric_files}
    return {
        "figures": {
            "held_out_loss": joint_loss(summary) if "fine" in summary else model.get("held_out_loss"),
            **model_figures(logs, summary),
            "training_seconds": training_seconds(logs, summary),
            "images_per_second": summary.get("metrics-samples", summary["samples"])["images_per_second"],
            "held_out_psnr": tokenizer.get("held_out_psnr"), "codebook_usage": tokens["code_usage"],
            **codebook_figures(summary.get("codebook")),
            **flat_metrics(metrics), **understanding.figures(understood),
        },
        "tokenizer": {
            "held_out_psnr": tokenizer.get("held_out_psnr"), "codebook_usage": tokens["code_usage"],
            "codebook_perplexity": tokens["code_perplexity"], "parameters": tokenizer.get("parameters"),
        },
        "codebook": summary.get("codebook"),
        "model": describe_model(model),
        **({"fine": describe_model(summary["fine"]), "joint_loss": joint_loss(summary)} if "fine" in summary else {}),
        "metrics": metrics,
        "stages": [describe(name, stage) for name, stage in stages.items()],
        "pictures": [path for path in pictures if os.path.exists(path)],
    }


def model_figures(logs, summary):
    """Losses and accuracies of the model, or of CTF's two models: `held_out_coarse_loss`, `training_fine_loss`."""
    figures = {}
    stages = {"model": "coarse_", "fine": "fine_"} if "fine" in summary else {"model": ""}
    for path in logs:
        stage = name_of(path)
        if stage in stages:
            kind = stages[stage]
            scores = {key.removeprefix("held_out_"): value for key, value in summary[stage].items()
                      if key.startswith("held_out_") and key != "held_out_perplexity"}
            figures |= {f"held_out_{kind}{key}": value for key, value in scores.items()}
            curves, _ = losses.read(path)
            for name, key in [("training", "loss" if kind else "token_loss"), ("training clusters", "cluster_loss")]:
                if name in curves:
                    figures[f"training_{kind}{key}"] = losses.last_mean(curves[name])
    return figures


def codebook_figures(codebook):
    """How alike the codes of a cluster are, for IAR's blocks or CTF's coarse labels."""
    found = (codebook or {}).get("after") or (codebook or {}).get("statistics") or {}
    names = ("inner_mse", "mean_distance", "closest_distance", "largest_distance")
    return {f"codebook_{name}": found[name] for name in names if name in found}


def read_metrics(path):
    """What eval-metrics says, or None where it was not run for want of weights."""
    if not os.path.exists(path):
        return None
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def flat_metrics(metrics):
    """The figures against the training images under the names of eval-metrics; the others after a prefix."""
    figures = {}
    for name, prefix in [("training", ""), ("held-out", "held-out-"), ("tokenizer", "tokenizer-")]:
        if metrics.get(name):
            figures |= {prefix + key: value for key, value in metrics[name]["metrics"].items()}
    if metrics.get("reconstructions"):
        copies = metrics["reconstructions"]["duplicates"]
        figures["duplicate_samples"] = copies["within_samples"]
        figures["copies_of_training_images"] = copies["in_reference"]
    return figures


def training_seconds(logs, summary):
    """Of the whole training, of both models where there are two; None where one was resumed, whose log times its last
    run only."""
    seconds = 0
    for path in logs:
        name = name_of(path)
        if name in ("model", "fine"):
            with open(path, encoding="utf-8") as log:
                steps = [json.loads(line).get("step", 0) for line in log]
            if summary[name]["steps"] != max(steps):
                return None
            seconds += summary[name]["seconds"]
    return seconds


def joint_loss(summary):
    """Of the held-out images under both models of CTF; None where none are held out."""
    return summary["scores"]["joint_loss"] if "held_out_loss" in summary["model"] else None


def describe_model(summary):
    scores = {key: value for key, value in summary.items() if key.startswith("held_out_")}
    entropy = summary["unigram_entropy"]
    under = {"nats_under_unigram": entropy - scores["held_out_loss"]} if scores else {}
    return {**scores, **under, "unigram_entropy": entropy, "parameters": summary["parameters"]}


def describe(name, stage):
    """Time, speed and memory of a stage. A resumed training counts its last run only; `steps` says which part it is."""
    rates = {key: value for key, value in stage["summary"].items() if key.endswith("_per_second") or key == "steps"}
    return {
        "stage": name, "seconds": stage["elapsed_seconds"], "peak_megabytes": stage["peak_megabytes"], **rates,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", help="the report to write")
    parser.add_argument("--logs", nargs="+", required=True, metavar="LOG", help="in the order of the stages")
    parser.add_argument(
        "--metrics", nargs="*", default=[], metavar="FILE", help="reports of eval-metrics; may be missing")
    parser.add_argument("--metric-logs", nargs="*", default=[], metavar="LOG", help="may be missing")
    parser.add_argument("--pictures", nargs="*", default=[], metavar="FILE")
    parser.add_argument("--understanding", nargs="*", default=[], metavar="FILE", help="probe.json and its like")
    options = parser.parse_args()
    try:
        report = gather(
            options.logs, options.metrics, options.metric_logs, options.pictures, options.understanding)
    except (OSError, KeyError, IndexError, json.JSONDecodeError) as error:
        sys.exit(f"report.py: {' '.join(options.logs)}: expected logs that end in a summary; found {error!r}; "
                 "try: remove the product of that stage, and run make again")
    with open(options.output + ".partial", "w", encoding="utf-8") as file:
        json.dump(report, file, indent=2)
        file.write("\n")
    os.replace(options.output + ".partial", options.output)
    for line in report_text.lines(report):
        print(f"  {line}".rstrip())
    for place in report["pictures"] + [options.output]:
        print(f"  {place}")


if __name__ == "__main__":
    main()
