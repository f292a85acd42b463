"""What the scripts of this folder share: options, timing, and a line per row in the form of `tessera-bench --json`."""

import argparse
import json
import resource
import statistics
import sys
import time


def positive(text):
    """The type of an option that counts something."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {text}")
    return value


def parser(description, rows, precisions=("float32", "bfloat16"), compiles=True):
    """The options that all scripts have; they are those of tessera-bench, as far as it has them."""
    result = argparse.ArgumentParser(description=description)
    result.add_argument("--rows", nargs="+", choices=list(rows), default=list(rows), metavar="ROW",
                        help=f"rows to measure: {', '.join(rows)} (default: all)")
    result.add_argument("--precision", choices=precisions, default=precisions[0],
                        help="number format of products (default: %(default)s)")
    result.add_argument("--threads", type=positive, default=2, help="number of threads (default: %(default)s)")
    result.add_argument("--runs", type=positive, default=5,
                        help="number of timed runs per row, after one that warms up; the median counts "
                             "(default: %(default)s)")
    result.add_argument("--small", action="store_true",
                        help="tiny sizes under the same names, which try the script out and measure nothing")
    if compiles:
        result.add_argument("--compile", action="store_true", help="with torch.compile; the run that warms up compiles")
    else:
        result.set_defaults(compile=False)
    return result


def image_parser(description, rows):
    """The same for work with convolutions."""
    options = parser(description, rows)
    options.add_argument("--contiguous", action="store_true",
                         help="images as [B, C, H, W] in memory; otherwise channels come last, which is faster on CPUs")
    return options


def start_torch(options):
    """Sets threads and seed; the name and version of the peer."""
    import torch

    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    return "PyTorch " + torch.__version__.split("+")[0]


def compiled(options, function, **settings):
    """The function as it is, or by torch.compile."""
    import torch

    return torch.compile(function, **settings) if options.compile else function


def check_parameters(options, row, expected, *models):
    """Says how many parameters the models have together, and ends the script if it is not the known number."""
    count = sum(parameter.numel() for model in models for parameter in model.parameters())
    print(f"{row}: {count:,} parameters", file=sys.stderr)
    if count != expected and not options.small:
        sys.exit(f"{row}: expected {expected:,} parameters; found {count:,}: the model is not the published one")


def median_seconds(work, runs):
    """The median of several runs, after one that warms up."""
    work()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median_high(times)


def measure(options, peer, row, unit, units, work):
    """Times `work`, which makes so many `units` of a unit, and prints the line of its row."""
    seconds = median_seconds(work, options.runs)
    line = {
        "row": row, "precision": options.precision, "threads": options.threads, "unit": unit, "rate": units / seconds,
        "peakMegabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "peer": peer,
        "compile": options.compile,
    }
    if options.small:
        line["small"] = True
    print(json.dumps(line), flush=True)
