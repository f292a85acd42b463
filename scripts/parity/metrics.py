#!/usr/bin/env python3
"""Compares the figures of eval-metrics with definitions written independently (formulas.py) and with torch-fidelity.

Without --reference and --samples, on features that are made up. With them, on two folders of PNG images:
torch-fidelity's Inception looks at the same images. Ends with 1 if a figure differs by more than --tolerance.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile

import formulas
import numpy as np
from records import write_record

SPLITS, NEIGHBOURS = 5, 3


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reference", help="folder of PNG images of one size")
    parser.add_argument("--samples", help="the other folder")
    parser.add_argument(
        "--weights", help="pt_inception-2015-12-05-6726825d.pth; without it, Inception has random weights")
    parser.add_argument("--count", type=int, default=2500, help="rows of features made up (default: %(default)s)")
    parser.add_argument("--tools", default=".build/release", help="folder of the tools (default: %(default)s)")
    parser.add_argument("--tolerance", type=float, default=1e-4, help="default: %(default)s")
    options = parser.parse_args()
    if (options.reference is None) != (options.samples is None):
        parser.error("give both --reference and --samples, or neither")
    return options


def tool(options, *command):
    command = [os.path.join(options.tools, command[0]), *command[1:]]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def make_features(count, seed):
    """What Inception's features look like: not negative, correlated, of different scales."""
    random = np.random.default_rng(seed)
    shared = np.random.default_rng(1).standard_normal((64, 2048)) / 8
    means = np.random.default_rng(2).uniform(-1, 1, 2048) + 0.02 * random.standard_normal(2048)
    hidden = random.standard_normal((count, 64))
    features = np.maximum(means + hidden @ shared + 0.3 * random.standard_normal((count, 2048)), 0)
    classes = np.random.default_rng(3).standard_normal((64, 1008))
    return features.astype(np.float32), (hidden @ classes / 3).astype(np.float32)


def made_up(options, folder):
    """Features and logits of both sides, as arrays and as files."""
    sides, paths = [], []
    for seed, name in ((10, "reference"), (11, "samples")):
        features, logits = make_features(options.count, seed)
        paths.append(os.path.join(folder, name))
        write_record(paths[-1], {
            "kind": "features", "version": "1", "network": "inception-v3", "weights_sha256": "0" * 64,
            "resize": "none"}, {"features": features, "logits": logits})
        sides.append((features.astype(np.float64), logits.astype(np.float64)))
    return sides, paths, []


def looked_at(options, folder):
    """Features and logits of both folders by torch-fidelity; the folders, and the option with the weights."""
    import inception

    weights = options.weights or os.path.join(folder, "random.pth")
    names = [options.reference, options.samples]
    if not options.weights:
        inception.write_random_weights(weights, inception.images(names[0]))
    sides = [inception.features(weights, inception.images(name)) for name in names]
    imported = os.path.join(folder, "inception")
    tool(options, "import-weights", "--as", "inception-v3", weights, "-o", imported)
    return sides, names, ["--network", "inception-v3", "--weights", imported]


def by_definition(reference, samples):
    (a, _), (b, logits) = reference, samples
    precision, recall = formulas.precision_recall(a, b, NEIGHBOURS)
    score, deviation = formulas.inception_score(logits, SPLITS)
    return {"fid": formulas.frechet(a, b), "is": score, "is-deviation": deviation,
            "kid": formulas.kernel_distance(a, b), "precision": precision, "recall": recall}


def by_torch_fidelity(reference, samples):
    """The same by the functions of torch-fidelity; empty where it is not installed."""
    try:
        import torch
        from torch_fidelity import metric_fid, metric_isc, metric_kid, metric_prc
    except ImportError as error:
        print(f"torch-fidelity is left out: {error}")
        return {}
    a, b, logits = (torch.from_numpy(x) for x in (reference[0], samples[0], samples[1]))
    statistics = [metric_fid.fid_features_to_statistics(x) for x in (b, a)]
    # One subset of all features is the estimate over all pairs.
    settings = {"kid_subsets": 1, "kid_subset_size": min(len(a), len(b)), "prc_neighborhood": NEIGHBOURS,
                "verbose": False}
    figures = metric_fid.fid_statistics_to_metric(*statistics, False)
    figures.update(metric_isc.isc_features_to_metric(logits, splits=SPLITS, shuffle=False))
    figures.update(metric_kid.kid_features_to_metric(b, a, **settings))
    figures.update(metric_prc.prc_features_to_metric(b, a, **settings))
    names = {"fid": "frechet_inception_distance", "is": "inception_score_mean", "is-deviation": "inception_score_std",
             "kid": "kernel_inception_distance_mean", "precision": "precision", "recall": "recall"}
    if len(a) != len(b):
        del names["kid"]  # torch-fidelity takes subsets of equal sizes
    return {name: float(figures[key]) for name, key in names.items()}


def compare(title, ours, theirs):
    """The largest relative difference."""
    worst = 0.0
    for name, value in theirs.items():
        difference = abs(ours[name] - value) / abs(value)
        worst = max(worst, difference)
        figures = f"eval-metrics {ours[name]:<14.10g} {title} {value:<14.10g}"
        print(f"{name:13} {figures} relative difference {difference:.1e}")
    return worst


def main():
    options = arguments()
    with tempfile.TemporaryDirectory() as folder:
        sides, paths, network = (looked_at if options.reference else made_up)(options, folder)
        report = json.loads(tool(
            options, "eval-metrics", "--reference", paths[0], "--samples", paths[1], *network, "--json", "--splits",
            str(SPLITS), "--is-split-order", "file", "--k", str(NEIGHBOURS)))
    figures = report["metrics"]
    ours = {name: figures[name] for name in ("fid", "is", "kid", "precision", "recall")}
    ours["is-deviation"] = figures["is-standard_deviation"]
    worst = max(
        compare("definition    ", ours, by_definition(*sides)),
        compare("torch-fidelity", ours, by_torch_fidelity(*sides)))
    print(f"largest relative difference {worst:.1e} (tolerance {options.tolerance:.0e})")
    sys.exit(0 if worst <= options.tolerance else 1)


if __name__ == "__main__":
    main()
