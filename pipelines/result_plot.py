"""Plots of committed tables as SVG files that stand alone, for docs/results.md."""

import itertools
import statistics

from pages.chart import ticks
from pages.html_parts import text

WIDTH, HEIGHT = 480, 300
LEFT, RIGHT, TOP, BOTTOM = 76, 24, 30, 50
# Colours that are told apart by readers who do not see red and green alike (Okabe and Ito).
COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"]
STYLE = "text{font:12px sans-serif;fill:#222}.title{font-weight:bold}.grid{stroke:#ddd}"


class Line:
    """A named line: at each place of the x axis the numbers of its seeds."""

    def __init__(self, name, points):
        # A place whose study was not run has no point.
        self.name, self.points = name, [(x, values) for x, values in points if values]


def plot(title, x_label, y_label, places, lines):
    """An SVG of lines over places: means, with bars from the least to the greatest seed. `places` are numbers in
    ascending order, which are drawn to scale, or names, which stand at equal distances."""
    to_scale = all(isinstance(place, int | float) for place in places)
    low, high = (min(places), max(places)) if to_scale else (0, len(places) - 1)
    numbers = [value for line in lines for _, values in line.points for value in values]
    rows = ticks(min(numbers), max(numbers))
    bottom = HEIGHT - BOTTOM - 18 * len(lines)
    margin = 0 if to_scale else 0.3

    def x(place):
        at = place if to_scale else places.index(place)
        span = (high - low + 2 * margin) or 1
        return round(LEFT + (at - low + margin) / span * (WIDTH - LEFT - RIGHT), 1)

    def y(value):
        return round(bottom - (value - rows[0]) / (rows[-1] - rows[0]) * (bottom - TOP), 1)

    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
             f'height="{HEIGHT}" role="img" aria-label="{text(title)}"><style>{STYLE}</style>',
             f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
             f'<text class="title" x="{LEFT}" y="18">{text(title)}</text>']
    for row in rows:
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(row)}" y2="{y(row)}"/>'
                     f'<text x="{LEFT - 6}" y="{y(row) + 4}" text-anchor="end">{row:,g}</text>')
    parts += [f'<text x="{x(place)}" y="{bottom + 16}" text-anchor="middle">{text(label(place))}</text>'
              for place in (legible(places, x) if to_scale else places)]
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{bottom + 34}" text-anchor="middle">{text(x_label)}</text>')
    parts.append(f'<text transform="translate(14 {(TOP + bottom) / 2}) rotate(-90)" text-anchor="middle">'
                 f"{text(y_label)}</text>")
    for index, (line, colour) in enumerate(zip(lines, itertools.cycle(COLOURS))):
        parts += drawn(line, colour, x, y)
        at = bottom + 52 + 18 * index
        parts.append(f'<line x1="{LEFT}" x2="{LEFT + 20}" y1="{at}" y2="{at}" stroke-width="2.5" stroke="{colour}"/>'
                     f'<text x="{LEFT + 28}" y="{at + 4}">{text(line.name)}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def legible(places, x):
    """Those of the places whose labels do not run into the label before."""
    end = -WIDTH
    for place in places:
        half = 3.5 * len(label(place))
        if x(place) - half > end:
            yield place
            end = x(place) + half


def label(place):
    return f"{place:,}" if isinstance(place, int | float) else place


def drawn(line, colour, x, y):
    path = " ".join(f"{x(place)},{y(statistics.mean(values))}" for place, values in line.points)
    yield f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{path}"/>'
    for place, values in line.points:
        if len(values) > 1:
            yield (f'<line stroke="{colour}" x1="{x(place)}" x2="{x(place)}" y1="{y(min(values))}" '
                   f'y2="{y(max(values))}"/>')
        yield f'<circle cx="{x(place)}" cy="{y(statistics.mean(values))}" r="3.5" fill="{colour}"/>'
