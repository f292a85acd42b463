"""What report.py prints: the figures that a reader wants to know first."""

import understanding
from figure_names import metric_name, network_of


def short(value):
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def metric_lines(report):
    """One line per comparison: the metrics, and the numbers of images that they are of."""
    for part, title in [
        ("training", "training images"), ("held-out", "held-out images"), ("tokenizer", "tokenizer alone"),
    ]:
        found = report["metrics"].get(part)
        if found:
            yield f"{title:<20}{', '.join(metric_words(report, found['metrics']))}; " \
                f"{found['samples']['images']} for {found['reference']['images'] or 'an unknown number of'}"
    figures = report["figures"]
    if "copies_of_training_images" in figures:
        yield (f"duplicates          {figures['duplicate_samples']} samples equal another, "
               f"{figures['copies_of_training_images']} a training image as the tokenizer gives it back")
    if not all(report["metrics"].values()):
        yield ("samples             not computed: no weights of the network; 'make weights' fetches them, "
               "METRIC_NETWORK=tokenizer needs none")


def metric_words(report, values):
    """The metrics that there are, whatever network they are of, in the order in which one reads them."""
    network = network_of(report)
    for family, spread in [
        ("fd", None), ("sfd", None), ("kd", "standard_error"), ("is", "standard_deviation"),
    ]:
        name = metric_name(family, *network)
        if name in values:
            error = values.get(f"{name}-{spread}")
            yield f"{name} {short(values[name])}" + (f" ± {short(error)}" if error is not None else "")
    for name in ("precision", "recall"):
        if name in values:
            yield f"{name} {values[name]:.3f}"


def loss_lines(model, fine, joint):
    """Losses and accuracies of the one model, or of both stages of CTF."""
    if "held_out_loss" not in model:
        return
    if fine is None:
        yield (f"held-out loss       {model['held_out_loss']:6.3f} nats per token, "
               f"{model['nats_under_unigram']:.3f} under the unigram entropy of {model['unigram_entropy']:.3f}")
    else:
        yield (f"held-out loss       {joint:6.3f} nats per token: {model['held_out_loss']:.3f} of the coarse label, "
               f"{fine['held_out_loss']:.3f} of the code given the labels")
    for name, scores, kind in [
        ("held-out accuracy", model, "token" if fine is None else "coarse label"), ("fine accuracy", fine, "token"),
    ]:
        if scores:
            yield (f"{name:<20}{scores['held_out_token_top1'] * 100:6.1f} % of {kind}s, "
                   f"{scores['held_out_token_top5'] * 100:.1f} % among the first five")
    if "held_out_cluster_top1" in model:
        yield (f"cluster accuracy    {model['held_out_cluster_top1'] * 100:6.1f} % of clusters, "
               f"{model['held_out_cluster_top5'] * 100:.1f} % among the first five; "
               f"cluster loss {model['held_out_cluster_loss']:.3f} nats per token")


def stage_lines(stages):
    yield f"{'stage':<25}{'seconds':>8}{'peak MB':>9}   speed"
    for stage in stages:
        rates = [f"{value:,.0f} {key[:-11]}/s" for key, value in stage.items() if key.endswith("_per_second")]
        yield f"{stage['stage']:<25}{stage['seconds']:>8.1f}{stage['peak_megabytes']:>9.0f}   {', '.join(rates)}"
    yield f"{'all':<25}{sum(stage['seconds'] for stage in stages):>8.1f}"


def lines(report):
    tokenizer = report["tokenizer"]
    yield from stage_lines(report["stages"])
    yield ""
    if tokenizer["held_out_psnr"] is not None:
        yield f"held-out PSNR       {tokenizer['held_out_psnr']:6.2f} dB"
    yield f"codebook usage      {tokenizer['codebook_usage'] * 100:6.1f} % of the codes"
    yield from loss_lines(report["model"], report.get("fine"), report.get("joint_loss"))
    yield from metric_lines(report)
    yield from understanding.lines(report["figures"])
    yield ""
