"""The page of one run."""

from figure_names import figure, higher_is_better, metric_name, network_of, resolve, title

from pages.common_parts import CAPTIONS, COMPARISONS, loss_charts, protocols, provenance
from pages.html_parts import capital, code, details, duration, number, paragraph, picture, section, table, text


def single_run(run):
    return "\n".join([cards(run), pictures(run), loss_section(run), metrics(run), settings(run), stages(run),
                      section("Provenance", paragraph("These commands made the samples, from the images on:"),
                              provenance(run))])


def cards(run):
    """The figures that a reader wants first."""
    wanted = [
        ("Held-out loss, nats per token", number(figure(run.report, "held_out_loss"))),
        (capital(title(resolve("fd-*", run.report) or "fd")) + " to training images",
         number(figure(run.report, "fd-*"))),
        ("Precision", number(run.figures.get("precision"))), ("Recall", number(run.figures.get("recall"))),
        ("Time of training the model", duration(run.figures.get("training_seconds"))),
        ("Images sampled per second", number(run.figures.get("images_per_second"))),
    ]
    return '<dl class="cards">' + "".join(
        f"<div><dt>{text(name)}</dt><dd>{text(value)}</dd></div>" for name, value in wanted) + "</dl>"


def pictures(run):
    shown = [picture(run.pictures[name], caption) for name, caption in CAPTIONS.items() if name in run.pictures]
    return section("Pictures", *shown)


def loss_section(run):
    words = ("The model is trained on the training images only; the held-out images are only scored. Dropout is on in "
             "training and off in scoring, so that the two curves can lie in either order.")
    return section("Losses", paragraph(words), loss_charts(run) or paragraph("The logs of the training are gone."))


def metrics(run):
    found = {key: words for key, words in COMPARISONS.items() if run.report["metrics"].get(key)}
    if not found:
        return section("Metrics", paragraph(
            "The metrics were not computed, because the weights of the network were not there."))
    names = [metric_name(family, *network_of(run.report)) for family in ("fd", "sfd", "kd", "is")]
    names += ["precision", "recall"]
    rows = []
    for name in names:
        cells = [cell(run.report["metrics"][key]["metrics"], name) for key in found]
        if any(value != "–" for value in cells):
            direction = "higher is better" if higher_is_better(name) else "lower is better"
            rows.append([f'{text(capital(title(name)))} <span class="faint">({direction})</span>', *cells])
    copies = [run.report["metrics"][key].get("duplicates", {}) for key in found]
    rows.append(["Samples that equal an earlier sample", *(number(copy.get("within_samples")) for copy in copies)])
    rows.append(["Samples that equal a reference image", *(number(copy.get("in_reference")) for copy in copies)])
    words = ("The samples of the model are compared with several sets of images. The last column compares the training "
             "images, as the tokenizer gives them back, with the training images: a model on this tokenizer cannot be "
             "expected to do better.")
    return section("Metrics", paragraph(words), table(["Metric", *map(capital, found.values())], rows, "Metrics"),
                   details("How the metrics were computed", protocols(run)))


def cell(values, name):
    """A metric with its spread."""
    spread = values.get(f"{name}-standard_error", values.get(f"{name}-standard_deviation"))
    return number(values.get(name)) + (f" ± {number(spread)}" if spread is not None else "")


def settings(run):
    rows = [[text(capital(name)), code(words)] for name, words in run.settings().items()]
    return section("Settings", f'<div class="words">{table(["Stage", "Options"], rows, "Options of each stage")}</div>')


def stages(run):
    rows, total = [], 0
    for stage in run.report["stages"]:
        rates = [f"{number(value)} {key.removesuffix('_per_second')} per second" for key, value in stage.items()
                 if key.endswith("_per_second")]
        total += stage["seconds"]
        rows.append([text(capital(stage["stage"].replace("-", " "))), duration(stage["seconds"]),
                     f"{stage['peak_megabytes']:,.0f} MB", text(", ".join(rates)) or "–"])
    rows.append(["All stages", duration(total), "–", "–"])
    return section("Time and memory", table(
        ["Stage", "Time", "Peak memory", "Speed"], rows,
        "A training that was resumed counts its last part only. Stages that several runs share are counted here too."))
