"""The page of several runs side by side."""

from compare import one_network
from figure_names import higher_is_better, title

from pages.chart import Curve, chart
from pages.common_parts import CAPTIONS, loss_charts, protocols, provenance
from pages.html_parts import capital, code, details, duration, number, paragraph, picture, section, table, text

# Figures of the page, in this order; then all others that any run has.
FIRST = ("held_out_loss", "fd", "fid", "sfd", "sfid", "kd", "kid", "is", "precision", "recall", "duplicate_samples",
         "copies_of_training_images", "training_seconds", "images_per_second")
WORDS = {
    "held_out_loss": "Held-out loss, nats per token", "training_seconds": "Time of training the models",
    "images_per_second": "Images sampled per second", "duplicate_samples": "Samples that equal an earlier sample",
    "copies_of_training_images": "Samples that equal a training image as the tokenizer gives it back",
    "held_out_psnr": "PSNR of held-out reconstructions, dB",
}


def several_runs(runs):
    one_network([(run.name, run.report) for run in runs])
    return "\n".join([figures(runs), samples(runs), losses_section(runs), settings(runs), stages(runs),
                      section("Provenance", *(details(run.name, provenance(run)) for run in runs))])


def figures(runs):
    names = list(dict.fromkeys(name for run in runs for name in run.figures))
    first = [name for wanted in FIRST for name in names if name == wanted or is_metric(name, wanted)]
    heads = ["Figure", *(run.name for run in runs)]
    words = ("A star marks the best run where higher or lower is better. It says nothing about whether the difference "
             "is larger than the one between two seeds.")
    rest = [name for name in names if name not in first]
    return section(
        "Figures", paragraph(words),
        table(heads, [row(runs, name) for name in first], "Samples are compared with the training images"),
        details("All other figures", table(heads, [row(runs, name) for name in rest], "All other figures")),
        *protocol_parts(runs))


def protocol_parts(runs):
    """How the metrics of the runs were computed, once for all runs of which the same is to be said."""
    found = {}
    for run in runs:
        found.setdefault(protocols(run), []).append(run.name)
    for words, names in found.items():
        if words:
            yield details(f"How the metrics of {' and '.join(names)} were computed", words)


def is_metric(name, family):
    """`fd-squeezenet-1.1` is of the family `fd`; its standard error is not."""
    return name.startswith(f"{family}-") and not name.endswith(("standard_error", "standard_deviation"))


def row(runs, name):
    values = [run.figures.get(name) for run in runs]
    known = [value for value in values if value is not None]
    direction = higher_is_better(name)
    best = None
    if direction is not None and len(known) > 1 and len(set(known)) > 1:
        best = max(known) if direction else min(known)
    shown = [duration(value) if name.endswith("_seconds") else number(value) for value in values]
    cells = [f'<span class="best">{cell}</span>' if value is not None and value == best else cell
             for value, cell in zip(values, shown)]
    return [text(words_of(name)), *cells]


def words_of(name):
    return capital(WORDS.get(name) or title(name).replace("_", " "))


def samples(runs):
    seeds = {run.seed() for run in runs}
    words = f"All samples were drawn with seed {seeds.pop()}." if len(seeds) == 1 and None not in seeds else \
        "The samples were drawn with seeds that differ or are unknown: " + \
        ", ".join(f"{run.name} has {run.seed() or 'an unknown one'}" for run in runs) + "."
    shown = [f"<div><h3>{text(run.name)}</h3>{picture(run.pictures[name], CAPTIONS[name])}</div>"
             for name in ("samples.png", "nearest.png") for run in runs if name in run.pictures]
    return section("Pictures", paragraph(words), f'<div class="beside">{"".join(shown)}</div>')


def losses_section(runs):
    together = []
    for index, run in enumerate(run for run in runs if not run.is_coarse_to_fine):
        curves, _ = run.curves("model")
        if "held-out" in curves:
            together.append(Curve(run.name, curves["held-out"], index % 6))
    parts = [chart(together, "Loss of the tokens of held-out images, in nats per token")] if len(together) > 1 else []
    if any(run.is_coarse_to_fine for run in runs):
        parts.append(paragraph("The two models of a coarse-to-fine run have losses of their own. Their sum is the loss "
                               "per token in the table above."))
    single = "".join(f"<div><h3>{text(run.name)}</h3>{loss_charts(run)}</div>" for run in runs)
    return section("Losses", *parts, f'<div class="beside">{single}</div>')


def options_of(words):
    """{option: value} of a line of options; what stands before the first option is `input`."""
    found, name = {}, "input"
    for word in words.split():
        if word.startswith("--"):
            name = word
            found[name] = ""
        else:
            found[name] = f"{found.get(name, '')} {word}".strip()
    return found


def settings(runs):
    kept = [run.settings() for run in runs]
    common = [stage for stage in kept[0] if all(stage in found for found in kept)]
    all_settings = [{(stage, option): value for stage, words in found.items() if stage in common
                     for option, value in options_of(words).items()} for found in kept]
    keys = list(dict.fromkeys(key for found in all_settings for key in found))
    rows, same = [], {}
    for stage, option in keys:
        values = [found.get((stage, option)) for found in all_settings]
        if len(set(values)) > 1:
            shown = ["–" if value is None else text(value) or "given" for value in values]
            rows.append([f"{text(stage)} <code>{text(option)}</code>", *shown])
        else:
            same.setdefault(stage, []).append(f"{option} {values[0]}".removeprefix("input ").strip())
    differing = table(["Option", *(run.name for run in runs)], rows, "Options that differ") if rows else \
        paragraph("All options are the same.")
    rows = [[text(stage), code(" ".join(words))] for stage, words in same.items()]
    equal = table(["Stage", "Options"], rows, "Options that all runs have")
    rows = [[f"{text(stage)}, {text(run.name)}", code(words)] for run, found in zip(runs, kept)
            for stage, words in found.items() if stage not in common]
    others = table(["Stage and run", "Options"], rows, "Stages that not all runs have") if rows else ""
    return section("Settings", differing, f'<div class="words">{others}{equal}</div>')


def stages(runs):
    names = list(dict.fromkeys(stage["stage"] for run in runs for stage in run.report["stages"]))
    rows = []
    for name in names:
        cells = []
        for run in runs:
            stage = next((stage for stage in run.report["stages"] if stage["stage"] == name), None)
            cells.append(f"{duration(stage['seconds'])}, {stage['peak_megabytes']:,.0f} MB" if stage else "–")
        rows.append([text(name.replace("-", " ").capitalize()), *cells])
    return section("Time and memory", table(
        ["Stage", *(run.name for run in runs)], rows,
        "Time and peak memory. A resumed training counts its last part only."))
