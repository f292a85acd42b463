#!/usr/bin/env python3
"""Plots the training loss and the held-out loss of runs, from the logs that training tools write.

    plot_losses.py out/quickstart/logs/model.jsonl [LOG...] --output losses.png

Needs tessera_files (pip install ./python) and matplotlib."""

import argparse

import matplotlib
import tessera_files

matplotlib.use("Agg")
import matplotlib.pyplot as plt


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("logs", nargs="+")
    parser.add_argument("--output", default="losses.png", help="a PNG, SVG or PDF file")
    options = parser.parse_args()
    figure, axes = plt.subplots(figsize=(8, 5))
    for path in options.logs:
        curves = tessera_files.read_log(path).curves
        for name, style in (("token_loss", "-"), ("held_out_loss", "o--")):
            curve = curves.get(name, {})
            if curve:
                axes.plot(list(curve), list(curve.values()), style, linewidth=1, label=f"{name}, {path}")
    axes.set(xlabel="step", ylabel="nats per token")
    axes.legend()
    figure.savefig(options.output)


if __name__ == "__main__":
    main()
