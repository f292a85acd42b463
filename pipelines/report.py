#!/usr/bin/env python3
"""Gathers the summaries in the tools' logs into report.json, and prints what a reader wants to know first."""

import argparse
import json
import os
import sys

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
    tokenizer, tokens, model = summary["tokenizer"], summary["tokens"], summary["model"]
    metrics = {name_of(path): read_metrics(path) for path in metric_files}
    return {
        "figures": {
            "held_out_loss": joint_loss(summary) if "fine" in summary else model.get("held_out_loss"),
            "training_seconds": training_seconds(logs, summary),
            "images_per_second": summary.get("metrics-samples", summary["samples"])["images_per_second"],
            **flat_metrics(metrics), **understanding.figures(understood),
        },
        "tokenizer": {
            "held_out_psnr": tokenizer.get("held_out_psnr"), "codebook_usage": tokens["code_usage"],
            "codebook_perplexity": tokens["code_perplexity"], "parameters": tokenizer["parameters"],
        },
        "codebook": summary.get("codebook"),
        "model": describe_model(model),
        **({"fine": describe_model(summary["fine"]), "joint_loss": joint_loss(summary)} if "fine" in summary else {}),
        "metrics": metrics,
        "stages": [describe(name, stage) for name, stage in stages.items()],
        "pictures": [path for path in pictures if os.path.exists(path)],
    }


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


def short(value):
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def show_metrics(report):
    """A line a comparison: the metrics, and the numbers of images that they are of."""
    for name, title in [
        ("training", "training images"), ("held-out", "held-out images"), ("tokenizer", "tokenizer alone"),
    ]:
        found = report["metrics"].get(name)
        if not found:
            continue
        values, network = found["metrics"], found["network"]
        distance = f"kd-{network}"
        print(f"  {title:<20}fd-{network} {short(values['fd-' + network])}, kd {short(values[distance])} ± "
              f"{short(values[distance + '-standard_error'])}, precision {values['precision']:.3f}, "
              f"recall {values['recall']:.3f}; {found['samples']['images']} for {found['reference']['images']}")
    figures = report["figures"]
    if "copies_of_training_images" in figures:
        print(f"  duplicates          {figures['duplicate_samples']} samples equal another, "
              f"{figures['copies_of_training_images']} a training image as the tokenizer gives it back")
    if not all(report["metrics"].values()):
        print("  samples             not computed: no weights of the network; 'make weights' fetches them, "
              "METRIC_NETWORK=tokenizer needs none")


def show_losses(model, fine, joint):
    """Losses and accuracies of the one model, or of both stages of CTF."""
    if "held_out_loss" not in model:
        return
    if fine is None:
        print(f"  held-out loss       {model['held_out_loss']:6.3f} nats a token, "
              f"{model['nats_under_unigram']:.3f} under the unigram entropy of {model['unigram_entropy']:.3f}")
    else:
        print(f"  held-out loss       {joint:6.3f} nats a token: {model['held_out_loss']:.3f} of the coarse label, "
              f"{fine['held_out_loss']:.3f} of the code given the labels")
    for name, scores, kind in [
        ("held-out accuracy", model, "token" if fine is None else "coarse label"), ("fine accuracy", fine, "token"),
    ]:
        if scores:
            print(f"  {name:<20}{scores['held_out_token_top1'] * 100:6.1f} % of {kind}s, "
                  f"{scores['held_out_token_top5'] * 100:.1f} % among the first five")
    if "held_out_cluster_top1" in model:
        print(f"  cluster accuracy    {model['held_out_cluster_top1'] * 100:6.1f} % of clusters, "
              f"{model['held_out_cluster_top5'] * 100:.1f} % among the first five")


def show(report, path):
    tokenizer, model = report["tokenizer"], report["model"]
    print(f"  {'stage':<25}{'seconds':>8}{'peak MB':>9}   speed")
    for stage in report["stages"]:
        rates = [f"{value:,.0f} {key[:-11]}/s" for key, value in stage.items() if key.endswith("_per_second")]
        figures = f"{stage['stage']:<25}{stage['seconds']:>8.1f}{stage['peak_megabytes']:>9.0f}"
        print(f"  {figures}   {', '.join(rates)}".rstrip())
    print(f"  {'all':<25}{sum(stage['seconds'] for stage in report['stages']):>8.1f}")
    print()
    if tokenizer["held_out_psnr"] is not None:
        print(f"  held-out PSNR       {tokenizer['held_out_psnr']:6.2f} dB")
    print(f"  codebook usage      {tokenizer['codebook_usage'] * 100:6.1f} % of the codes")
    show_losses(model, report.get("fine"), report.get("joint_loss"))
    show_metrics(report)
    for line in understanding.lines(report["figures"]):
        print(f"  {line}")
    print()
    for place in report["pictures"] + [path]:
        print(f"  {place}")


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
    show(report, options.output)


main()
