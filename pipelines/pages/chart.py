"""Line charts as inline SVG, in the colours of the page."""

import math

from pages.html_parts import number, text

WIDTH, HEIGHT = 400, 250
LEFT, RIGHT, TOP, BOTTOM = 40, 10, 10, 40
POINTS = 120


class Curve:
    """Values over steps. A training curve is drawn pale, as means over several steps; a held-out curve has points."""

    def __init__(self, name, values, colour, training=False):
        self.name, self.colour, self.training = name, colour, training
        self.points = sorted(values.items())
        if training:
            self.points, self.width = thinned(self.points)

    @property
    def label(self):
        return f"{self.name}, mean over {self.width} steps" if self.training and self.width > 1 else self.name


def thinned(points):
    """At most POINTS means of neighbouring points, and how many of them are in each mean."""
    width = max(1, math.ceil(len(points) / POINTS))
    groups = [points[start:start + width] for start in range(0, len(points), width)]
    return [tuple(sum(column) / len(group) for column in zip(*group)) for group in groups], width


def ticks(low, high, count=5):
    """Round numbers from at most `low` to at least `high`."""
    span = (high - low) or 1
    step = 10 ** math.floor(math.log10(span / count))
    step *= next(factor for factor in (1, 2, 2.5, 5, 10) if span / (step * factor) <= count)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [step * index for index in range(first, max(last, first + 1) + 1)]


def chart(curves, title, level=None):
    """A chart with its legend. `level` is a pair of a name and a value that is drawn as a dashed line."""
    values = [y for curve in curves for _, y in curve.points] + ([level[1]] if level else [])
    steps = [x for curve in curves for x, _ in curve.points]
    rows, columns = ticks(min(values), max(values)), ticks(0, max(steps))

    def x(step):
        return round(LEFT + (step - columns[0]) / (columns[-1] - columns[0]) * (WIDTH - LEFT - RIGHT), 1)

    def y(value):
        return round(HEIGHT - BOTTOM - (value - rows[0]) / (rows[-1] - rows[0]) * (HEIGHT - TOP - BOTTOM), 1)

    parts = [f'<figure><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{text(title)}">']
    for row in rows:
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(row)}" y2="{y(row)}"/>'
                     f'<text x="{LEFT - 6}" y="{y(row) + 4}" text-anchor="end">{row:g}</text>')
    for column in columns:
        anchor = "end" if column == columns[-1] else "middle"
        parts.append(f'<text x="{x(column)}" y="{HEIGHT - BOTTOM + 18}" text-anchor="{anchor}">{column:,g}</text>')
    parts.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 5}" text-anchor="middle">optimiser steps</text>')
    if level:
        parts.append(f'<line class="level" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(level[1])}" y2="{y(level[1])}"/>')
    for curve in sorted(curves, key=lambda curve: not curve.training):
        path = " ".join(f"{x(step)},{y(value)}" for step, value in curve.points)
        kind = "curve training" if curve.training else "curve"
        parts.append(f'<polyline class="{kind}" style="stroke:var(--c{curve.colour})" points="{path}"/>')
        if not curve.training:
            parts += [f'<circle cx="{x(step)}" cy="{y(value)}" r="2.6" style="fill:var(--c{curve.colour})">'
                      f"<title>{text(curve.name)}, step {step}: {number(value)}</title></circle>"
                      for step, value in curve.points]
    parts.append(f"</svg><figcaption>{text(title)}</figcaption>{legend(curves, level)}</figure>")
    return "".join(parts)


def legend(curves, level):
    items = [f'<li><i{" class=training" if curve.training else ""} style="border-color:var(--c{curve.colour})"></i>'
             f"<span>{text(curve.label)}</span></li>" for curve in curves]
    if level:
        items.append(f'<li><i class="dashed"></i><span>{text(level[0])}: {number(level[1])}</span></li>')
    return f'<ul class="legend">{"".join(items)}</ul>'
