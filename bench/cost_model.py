#!/usr/bin/env python3
"""What a training step on several ranks costs: compute, bytes and latency.

    cost_model.py docs/results/scaling.json           measured steps beside those of the model, and larger clusters
    cost_model.py docs/results/scaling.json --markdown  the same as tables for docs/scale.md

A step of R ranks on a batch of B images takes

    fixed + B / R * per_image + bytes * handling + max(0, wire - overlap) + last

`fixed` is the optimiser's and does not shrink with the ranks, `per_image` is a core's time for an image, and `handling`
is the processor's time for a byte that is sent (copies, additions, the system's network). `wire` is the time of the
messages on the link, of which the backward pass hides as much as it lasts. `last` is the part of it that the backward
pass cannot hide: the gradient of the embeddings is complete at its end."""

import argparse
import dataclasses
import json
import math

# Messages have at most half a megabyte (RecursiveHalving).
MESSAGE_BYTES = 1 << 19
# A rank that waits for a message looks for it about as often, in seconds (Sources/C/CMPI).
PAUSE = 5e-5
# Of a step's time for an image, the part in which the backward pass goes on and its first gradients are there.
BACKWARD_SHARE = 0.6
IMAGENET = 1_281_167


@dataclasses.dataclass(frozen=True)
class Transformer:
    """Sizes of LlamaGen's transformer."""
    layers: int
    width: int
    codes: int = 16384
    classes: int = 1000
    tokens: int = 256

    @property
    def feed_forward(self):
        return math.ceil(8 * self.width / 3 / 256) * 256

    @property
    def _products(self):
        return self.layers * (4 * self.width ** 2 + 3 * self.width * self.feed_forward) + self.codes * self.width

    @property
    def parameters(self):
        norms = (2 * self.layers + 1) * self.width
        return self._products + self.embeddings + norms

    @property
    def embeddings(self):
        return (self.codes + self.classes + 1) * self.width

    @property
    def operations(self):
        """Of forward and backward pass, per image: a multiplication and an addition are two."""
        attention = 2 * self.layers * self.width * self.tokens
        return 3 * 2 * self.tokens * (self._products + attention / 2)


SIZES = {"CPU-small": Transformer(6, 256, tokens=64), "GPT-B": Transformer(12, 768), "GPT-L": Transformer(24, 1024),
         "GPT-XL": Transformer(36, 1280), "GPT-XXL": Transformer(48, 1536), "GPT-3B": Transformer(24, 3200)}


@dataclasses.dataclass(frozen=True)
class Link:
    """Between two ranks, in both directions at the same time."""
    bytes_per_second: float
    latency: float = 0.0

    def seconds(self, size, sharing=1):
        """Of messages one after the other, where some ranks share the link."""
        return (self.latency + PAUSE) * math.ceil(size / MESSAGE_BYTES) + size * sharing / self.bytes_per_second


@dataclasses.dataclass(frozen=True)
class Compute:
    """A model on one rank: seconds per step and per image."""
    fixed: float
    per_image: float

    def scaled(self, source, target):
        """The same rank with another model: images by operations, the optimiser by parameters."""
        return Compute(self.fixed * target.parameters / source.parameters,
                       self.per_image * target.operations / source.operations)

    def on(self, speedup):
        return Compute(self.fixed / speedup, self.per_image / speedup)


def sent_bytes(parameters, ranks):
    return 2 * (1 - 1 / ranks) * 4 * parameters


def bucket_bytes(ranks):
    """What is summed at a time (GradientExchange)."""
    return min(max(4 << 20, ranks << 18), 64 << 20)


def wire_seconds(size, ranks, near, far=None, near_ranks=None):
    """Sums of `size` bytes over the ranks: of each bucket halves between neighbours, then quarters, and back the same
    way. The first `near_ranks` are joined by the near link, the rest by the far one, which the ranks of a machine
    share."""
    near_ranks = near_ranks or ranks
    buckets = max(size / bucket_bytes(ranks), 1)
    total, distance, part = 0.0, 1, size / buckets
    while distance < ranks:
        part /= 2
        total += 2 * (near.seconds(part) if distance < near_ranks else far.seconds(part, near_ranks))
        distance *= 2
    return buckets * total


def step_seconds(model, compute, batch, ranks, links, handling=0.0, spare_core=False):
    """Seconds of a step, and the part of them that communication adds. With a spare core, handling is a part of the
    wire's time, and so hidden like it; without one it takes time from the backward pass."""
    images = batch / ranks
    alone = compute.fixed + images * compute.per_image
    if ranks == 1:
        return alone, 0.0
    last = wire_seconds(4 * model.embeddings, ranks, *links)
    hideable = wire_seconds(4 * model.parameters, ranks, *links) - last
    handled = sent_bytes(model.parameters, ranks) * handling
    if spare_core:
        share = model.embeddings / model.parameters
        last, hideable, handled = last + share * handled, hideable + (1 - share) * handled, 0.0
    added = handled + last + max(0.0, hideable - BACKWARD_SHARE * images * compute.per_image)
    return alone + added, added


# A cluster that nobody here has measured: what is assumed of it, and where it comes from.
@dataclasses.dataclass(frozen=True)
class Cluster:
    """Nodes of two sockets with 32 cores each."""
    cores: int = 64
    ranks_per_node: int = 8
    # Of a core's speed that is left when all cores of a rank work on one step.
    thread_efficiency: float = 0.8
    gigabits: float = 100.0
    latency: float = 5e-6
    # Memory that two processes of a node share.
    near_bytes_per_second: float = 5e9
    watts: float = 700.0


def fit(rows):
    """Seconds per step and per image from steps of two batches on one thread, with both cores busy."""
    (few, a), (many, b) = sorted((row["images"], row["seconds_per_step"]) for row in rows)
    per_image = (b - a) / (many - few)
    return Compute(max(a - few * per_image, 0.0), per_image)


def handling_of(row, compute):
    """The processor's seconds per byte, of a step whose link is faster than the processor."""
    alone = compute.fixed + row["images"] / row["ranks"] * compute.per_image
    return max(row["seconds_per_step"] - alone, 0.0) / sent_bytes(SIZES[row["model"]].parameters, row["ranks"])


def predictions(measured):
    """Rows with the model's seconds. The speeds come from the rows that are marked as calibration."""
    rows = measured["rows"]
    computes, handling = {}, {}
    for model in {row["model"] for row in rows}:
        alone = [row for row in rows if row["model"] == model and row["calibrates"] == "compute"]
        if len(alone) == 2:
            computes[model] = fit(alone)
    for row in rows:
        if row["calibrates"] == "handling":
            handling[row["link"]] = handling_of(row, computes[row["model"]])
    handling["tcp"] = handling.get("loopback", 0.0)
    result = []
    for row in rows:
        model = SIZES[row["model"]]
        source = row["model"] if row["model"] in computes else "GPT-B"
        compute = computes[source].scaled(SIZES[source], model)
        link = Link(row["bytes_per_second"] or math.inf, row.get("latency") or 0.0)
        costs = handling.get(row["link"], handling["tcp"])
        speedup = row["threads"] * measured["thread_efficiency"] if row["threads"] > 1 else 1
        seconds, added = step_seconds(model, compute.on(speedup), row["images"], row["ranks"], [link], costs)
        result.append({**row, "predicted": seconds, "predicted_communication": added})
    return result, computes, handling


def clusters(measured, cluster):
    """Rows of GPT-B, L and XL on 8, 64 and 512 ranks of a cluster, per epoch and for IAR's 300 epochs."""
    _, computes, handling = predictions(measured)
    rank_cores = cluster.cores // cluster.ranks_per_node
    near = Link(cluster.near_bytes_per_second)
    far = Link(cluster.gigabits * 1e9 / 8, cluster.latency)
    rows = []
    for name in ("GPT-B", "GPT-L", "GPT-XL", "GPT-XXL"):
        model = SIZES[name]
        compute = computes["GPT-B"].scaled(SIZES["GPT-B"], model).on(rank_cores * cluster.thread_efficiency)
        for ranks in (8, 64, 512):
            batch = max(256, ranks)
            seconds, added = step_seconds(model, compute, batch, ranks, [near, far, cluster.ranks_per_node],
                                          handling["shared memory"], spare_core=True)
            images = batch / seconds
            hours = 300 * IMAGENET / images / 3600
            nodes = ranks / cluster.ranks_per_node
            rows.append({"model": name, "ranks": ranks, "nodes": nodes, "batch": batch, "seconds_per_step": seconds,
                         "efficiency": batch * compute.per_image / ranks / seconds,
                         "communication": added / seconds, "images_per_second": images,
                         "days_of_300_epochs": hours / 24,
                         "kWh": hours * nodes * cluster.watts / 1000})
    return rows


def memory_gigabytes(model):
    """What a rank needs whatever its batch: weights, gradient and two moments in float32, and a gradient that waits."""
    return 5 * 4 * model.parameters / 1e9


def printed(rows, columns, markdown):
    cells = [[name for name, _ in columns]] + [[form(row) for _, form in columns] for row in rows]
    if markdown:
        cells.insert(1, ["---"] * len(columns))
        return "\n".join("| " + " | ".join(line) + " |" for line in cells)
    return "\n".join("\t".join(line) for line in cells)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("measured", help="what scaling.py has written")
    parser.add_argument("--markdown", action="store_true", help="tables of Markdown")
    for field in dataclasses.fields(Cluster):
        parser.add_argument("--" + field.name.replace("_", "-"), type=field.type, default=field.default,
                            help="of the cluster (default: %(default)s)")
    options = parser.parse_args()
    with open(options.measured, encoding="utf-8") as file:
        measured = json.load(file)
    rows, computes, handling = predictions(measured)
    print(printed(rows, [
        ("model", lambda row: row["model"]), ("images per step", lambda row: str(row["images"])),
        ("ranks x threads", lambda row: f"{row['ranks']} x {row['threads']}"), ("link", lambda row: row["link"]),
        ("measured s", lambda row: f"{row['seconds_per_step']:.3g}"),
        ("model s", lambda row: f"{row['predicted']:.3g}"),
        ("off by", lambda row: "(calibrates)" if row["calibrates"] else
            f"{100 * (row['predicted'] / row['seconds_per_step'] - 1):+.0f} %"),
        ("sums s", lambda row: f"{row['communication_seconds']:.3g}" if row["ranks"] > 1 else ""),
        ("of them alone", lambda row: f"{row['communication_seconds_alone']:.3g}" if row["ranks"] > 1 else ""),
    ], options.markdown), end="\n\n")
    for name, compute in sorted(computes.items()):
        rate = SIZES[name].operations / compute.per_image / 1e9
        print(f"{name}: {compute.fixed:.3g} s per step, {compute.per_image:.3g} s per image ({rate:.3g} billion "
              "operations per second)")
    print("handling: " + ", ".join(f"{name} {1e9 * value:.2g} ns per byte" for name, value in handling.items()),
          end="\n\n")
    cluster = Cluster(**{field.name: getattr(options, field.name) for field in dataclasses.fields(Cluster)})
    print(printed(clusters(measured, cluster), [
        ("model", lambda row: row["model"]), ("ranks", lambda row: str(row["ranks"])),
        ("nodes", lambda row: f"{row['nodes']:g}"), ("batch", lambda row: str(row["batch"])),
        ("s per step", lambda row: f"{row['seconds_per_step']:.3g}"),
        ("efficiency", lambda row: f"{100 * row['efficiency']:.0f} %"),
        ("communication", lambda row: f"{100 * row['communication']:.0f} %"),
        ("images/s", lambda row: f"{row['images_per_second']:,.0f}"),
        ("days of 300 epochs", lambda row: f"{row['days_of_300_epochs']:,.0f}"),
        ("kWh", lambda row: f"{row['kWh']:,.0f}"),
    ], options.markdown), end="\n\n")
    print(printed([{"name": name, "model": model} for name, model in SIZES.items()], [
        ("model", lambda row: row["name"]), ("parameters", lambda row: f"{row['model'].parameters / 1e6:,.0f} M"),
        ("GB per rank without activations", lambda row: f"{memory_gigabytes(row['model']):.3g}"),
        ("billion operations per image", lambda row: f"{row['model'].operations / 1e9:,.0f}"),
    ], options.markdown))


if __name__ == "__main__":
    main()
