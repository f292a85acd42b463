"""Pieces of HTML: text, numbers, tables, pictures as data."""

import base64
import html
import os
import struct


def text(value):
    return html.escape(str(value))


def capital(words):
    """The words with a capital at their start, but for names such as sFID."""
    return words if words[:2] == "sF" else words[0].upper() + words[1:]


def number(value):
    """A number as a reader wants it, or a dash."""
    if value is None:
        return "–"
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def code(words):
    """A line of options, which breaks between words only."""
    parts = (f"<span>{text(word)}</span>" if word.startswith("--") else text(word) for word in words.split())
    return f"<code>{' '.join(parts)}</code>"


def duration(seconds):
    if seconds is None:
        return "–"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [(hours, "h"), (minutes, "min"), (rest, "s")]
    return " ".join(f"{count} {unit}" for count, unit in parts if count) or f"{seconds:.2g} s"


def table(heads, rows, caption):
    """A table. The cells are HTML already. On narrow screens a row is a block, and a cell has its heading beside it."""
    parts = [f"<table><caption>{text(caption)}</caption><thead><tr>"]
    parts += [f'<th scope="col">{text(head)}</th>' for head in heads]
    parts.append("</tr></thead><tbody>")
    for first, *cells in rows:
        parts.append(f'<tr><th scope="row">{first}</th>')
        parts += [f'<td data-head="{text(head)}">{cell}</td>' for head, cell in zip(heads[1:], cells)]
        parts.append("</tr>")
    parts.append("</tbody></table>")
    return "".join(parts)


def section(title, *parts):
    return f"<section><h2>{text(title)}</h2>{''.join(parts)}</section>"


def paragraph(words):
    return f"<p>{text(words)}</p>"


def details(summary, *parts):
    return f"<details><summary>{text(summary)}</summary>{''.join(parts)}</details>"


def picture(path, caption):
    """A PNG as a part of the page, or nothing where the file is not there."""
    if not os.path.exists(path):
        return ""
    with open(path, "rb") as file:
        data = file.read()
    width, height = struct.unpack(">II", data[16:24])
    return (f'<figure><img src="data:image/png;base64,{base64.b64encode(data).decode()}" width="{width}" '
            f'height="{height}" alt="{text(caption)}"><figcaption>{text(caption)}</figcaption></figure>')


def page(title, body):
    here = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(here, "style.css"), encoding="utf-8") as file:
        style = file.read()
    # An empty icon keeps browsers from asking for one.
    return (f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{text(title)}</title>'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f'<link rel="icon" href="data:,"><style>\n{style}</style></head>\n'
            f'<body><main><h1>{text(title)}</h1>\n{body}\n</main></body></html>\n')
