#!/usr/bin/env python3
"""Sets the metrics of samples of a released model beside the figures that its paper prints: report.json and a table.

    reproduction.py out/report.json --metrics metrics.json --samples logs/samples.jsonl \\
        --published pipelines/published/llamagen.tsv --model B --size 256

The published row is that of the guidance scale with which the samples were drawn, which their log has."""

import argparse
import json
import os
import sys

import published_figures
from compare import write
from figure_names import metric_name, title


def read_summary(path):
    """The last line of a log, which holds the summary."""
    with open(path, encoding="utf-8") as log:
        return json.loads(log.readlines()[-1])["summary"]


def gather(metrics, samples, published):
    """The report: figures by name, the published ones of the same guidance scale or None, and where they came from."""
    guidance = samples["sampling"]["guidance"]["scale"]
    return {
        "figures": {**metrics["metrics"], "images_per_second": samples["images_per_second"]},
        "guidance": guidance, "sampling": samples["sampling"], "seed": samples["seed"],
        "published": published.get(guidance), "metrics": {"reference": metrics},
    }


def lines(report):
    """Columns: figure, here, published. Figures of another network than Inception have no published ones."""
    metrics, published = report["metrics"]["reference"], report["published"] or {}
    inception = metrics["comparable_with_published"]
    yield ["figure", "here", "published"]
    for name, family in zip(published_figures.FIGURES, ("fd", "sfd", "is", None, None)):
        own = metric_name(family, metrics["network"], inception) if family else name
        if own in report["figures"]:
            known = published.get(name) if inception else None
            yield [own, f"{report['figures'][own]:.6g}", "-" if known is None else f"{known:g}"]


def remarks(report):
    """What the reader must know of the comparison."""
    metrics, published = report["metrics"]["reference"], report["published"]
    yield f"guidance {report['guidance']:g}, {metrics['samples']['images']} samples"
    if published:
        yield f"published: LlamaGen, Table {published['table']}, 50000 samples, {published['epochs']} epochs"
    else:
        yield f"published: no row of guidance {report['guidance']:g}"
    if not metrics["comparable_with_published"]:
        distance = metric_name("fd", metrics["network"], False)
        yield f"not comparable with published figures: {title(distance)} is not FID"
    yield from metrics["warnings"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", help="the report to write; the table is beside it as .tsv")
    parser.add_argument("--metrics", required=True, metavar="FILE", help="what eval-metrics --json has printed")
    parser.add_argument("--samples", required=True, metavar="LOG", help="of sample")
    parser.add_argument("--published", required=True, metavar="FILE.tsv")
    parser.add_argument("--model", required=True)
    parser.add_argument("--size", required=True, type=int, help="side of the model's images in pixels")
    options = parser.parse_args()
    try:
        with open(options.metrics, encoding="utf-8") as file:
            metrics = json.load(file)
        published = published_figures.read(options.published, options.model, options.size)
        report = gather(metrics, read_summary(options.samples), published)
        table = list(lines(report))
    except (OSError, KeyError, IndexError, TypeError, ValueError) as error:
        sys.exit(f"reproduction.py: {options.metrics}, {options.samples}: expected what eval-metrics and sample write; "
                 f"found {error!r}; try: remove the product of that stage, and run make again")
    write(os.path.splitext(options.output)[0] + ".tsv", "".join("\t".join(line) + "\n" for line in table))
    write(options.output, json.dumps(report, indent=2) + "\n")
    widths = [max(map(len, column)) for column in zip(*table)]
    for line in table:
        print("  " + "  ".join(text.ljust(width) for text, width in zip(line, widths)).rstrip())
    for line in remarks(report):
        print(f"  {line}")


if __name__ == "__main__":
    main()
