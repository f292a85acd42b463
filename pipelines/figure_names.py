"""Names of the figures in reports. What eval-metrics calls a distance depends on the network that looked at the images:
`fid` and `kid` with the Inception of published figures, `fd-NETWORK` and `kd-NETWORK` with any other network."""

import re

# Under any network, and under Inception.
PUBLISHED = {"fd": "fid", "kd": "kid", "sfd": "sfid", "is": "is"}
WILDCARD = re.compile(r"(held-out-|tokenizer-|reconstructions-)?(fd|kd|sfd|is)-\*(-.+)?")
# Samples against what the tokenizer gives back of the training images: what a perfect model of its tokens would draw.
RECONSTRUCTIONS = "reconstructions-"
TITLES = {
    "fd": "Fréchet distance", "kd": "kernel distance", "sfd": "spatial Fréchet distance", "is": "inception score",
    "fid": "FID", "kid": "KID", "sfid": "sFID",
}


def network_of(report):
    """The network that looked at the images of a report, and whether it is Inception; None where none did."""
    for part in report["metrics"].values():
        if part and "network" in part:
            name = part["network"]
            return name, part.get("comparable_with_published", name == "inception-v3")
    return None


def metric_name(family, network, inception):
    """The name that eval-metrics gives to a metric of the family `fd`, `kd`, `sfd` or `is`."""
    return PUBLISHED[family] if inception else f"{family}-{network}"


def resolve(name, report):
    """The name of a figure in this report, where `fd-*`, `kd-*`, `sfd-*` and `is-*` stand for any network."""
    match = WILDCARD.fullmatch(name)
    if not match:
        return name
    found = network_of(report)
    if found is None:
        return None
    prefix, family, suffix = match.groups()
    return f"{prefix or ''}{metric_name(family, *found)}{suffix or ''}"


def figure(report, name):
    """A figure of a report, or None where it has none of that name."""
    found = resolve(name, report)
    if found and found.startswith(RECONSTRUCTIONS):
        part = report["metrics"].get("reconstructions")
        return part["metrics"].get(found.removeprefix(RECONSTRUCTIONS)) if part else None
    return report["figures"].get(found)


def higher_is_better(name):
    """True or False; None for figures that are neither good nor bad."""
    name = name.removeprefix("held-out-").removeprefix("tokenizer-").removeprefix(RECONSTRUCTIONS)
    if name.endswith(("standard_error", "standard_deviation")):
        return None
    if name in ("precision", "recall", "images_per_second", "held_out_psnr") or name == "is" or name.startswith("is-"):
        return True
    if "top1" in name or "top5" in name:
        return True
    family = name.split("-")[0]
    lower = family in ("fd", "fid", "kd", "kid", "sfd", "sfid") or name.endswith("loss")
    return False if lower or name in ("training_seconds", "codebook_inner_mse", "codebook_mean_distance") else None


def title(name):
    """A figure's name in words; the name itself where there are none."""
    for prefix, words in (("held-out-", "against the held-out images"), ("tokenizer-", "of the tokenizer alone"),
                          (RECONSTRUCTIONS, "against the tokenizer's reconstructions")):
        if name.startswith(prefix):
            return f"{title(name.removeprefix(prefix))} {words}"
    for suffix in ("standard_error", "standard_deviation"):
        if name.endswith(f"-{suffix}"):
            return f"{suffix.replace('_', ' ')} of the {title(name.removesuffix(f'-{suffix}'))}"
    family, _, network = name.partition("-")
    words = TITLES.get(family)
    return name if words is None else f"{words} ({network})" if network else words
