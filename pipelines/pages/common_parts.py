"""Sections that the page of one run and the page of several have in common."""

from pages.chart import Curve, chart
from pages.html_parts import number, text

CAPTIONS = {
    "samples.png": "Samples. Each row holds the images of one class.",
    "nearest.png": "Samples, each beside the training images that are nearest to it in the features of the network.",
    "reconstructions.png": "Held-out originals, above the images that the tokenizer gives back from their tokens.",
    "attention.png": "Attention of the model. Bright places are those that it looks at.",
    "probe.png": "Accuracy of linear probes over the number of tokens that the model has read.",
}
COMPARISONS = {
    "training": "training images", "held-out": "held-out images",
    "reconstructions": "training images as the tokenizer gives them back", "tokenizer": "tokenizer alone",
}


def loss_charts(run):
    """A chart per model: the losses of training and of the held-out images."""
    stages = [("model", "coarse labels"), ("fine", "codes given the coarse labels")] if run.is_coarse_to_fine \
        else [("model", "tokens")]
    found = []
    for stage, kind in stages:
        curves, entropy = run.curves(stage)
        drawn = [
            Curve(f"{words} on {part}", curves[key], colour, training)
            for key, words, part, colour, training in [
                ("held-out", f"loss of the {kind}", "held-out images", 0, False),
                ("training", f"loss of the {kind}", "training batches", 1, True),
                ("held-out clusters", "cluster loss", "held-out images", 2, False),
                ("training clusters", "cluster loss", "training batches", 3, True),
            ] if key in curves
        ]
        if drawn:
            level = ("unigram entropy", entropy) if entropy is not None else None
            found.append(chart(drawn, f"Losses of the {kind}, in nats per token", level))
    return "".join(found)


def protocols(run):
    """How each comparison was made: numbers of images, protocol, weights, warnings."""
    parts = []
    for key, title in COMPARISONS.items():
        found = run.report["metrics"].get(key)
        if not found:
            continue
        count = found["reference"]["images"]
        lines = [f"{number(found['samples']['images'])} images were compared with "
                 f"{'an unknown number of' if count is None else number(count)} reference images.",
                 f"Protocol: {found['protocol']}.",
                 f"The weights of the network have the SHA-256 {found['weights_sha256']}."]
        items = "".join(f"<li>{text(line)}</li>" for line in [*lines, *map(as_sentence, found["warnings"])])
        parts.append(f"<h3>{text(title.capitalize())}</h3><ul>{items}</ul>")
    return "".join(parts)


def as_sentence(warning):
    return f"Note: {warning}."


def provenance(run):
    if run.provenance is None:
        return f"<p>The folder of {text(run.name)} has no file provenance.txt.</p>"
    return f"<pre>{text(run.provenance)}</pre>"
