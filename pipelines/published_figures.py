"""Figures that LlamaGen's paper prints (pipelines/published/llamagen.tsv): Tables 8 to 10, after the longest training.
Its images of 384 pixels are scaled to 256 before they are judged. Guidance 1 is a row without guidance."""

import csv

FIGURES = ("fid", "sfid", "is", "precision", "recall")


def read(path, model, size):
    """The rows of a model, such as B, and a side of its images in pixels: {guidance scale: {figure: number}}, with
    `epochs` and the number of the `table`."""
    with open(path, encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t")
                if row["model"] == model and row["image_size"] == str(size)]
    if not rows:
        raise ValueError(f"{path}: expected a row of model {model} at {size} pixels; found none")
    return {float(row["guidance"]): {**{name: float(row[name]) for name in FIGURES},
                                     "epochs": int(row["epochs"]), "table": int(row["table"])} for row in rows}
