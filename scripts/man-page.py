#!/usr/bin/env python3
"""Writes the manual page of a tool, in mdoc(7), from what the tool says of its own options.

    man-page.py .build/release/sample >sample.1"""

import json
import os
import re
import subprocess
import sys
import textwrap

STATUS = """.Bl -tag -width Ds
.It 0
done
.It 1
failed for none of the reasons below; also a training whose loss is no longer
finite
.It 64
unknown, conflicting or out-of-range options; no file was opened
.It 65
bad data in an input
.It 66
an input is missing or cannot be opened
.It 73
an output cannot be created
.It 74
reading or writing failed, for example on a full disk
.It 129, 130, 143
ended by SIGHUP, SIGINT or SIGTERM; a training tool has saved a checkpoint,
other tools leave nothing
.It 141
the reader of standard output has gone
.El"""


def text(words):
    """A paragraph, of lines that cannot be read as macros."""
    words = " ".join(words.split()).replace("\\", "\\e").replace("-", "\\-")
    # A new line after each sentence, as mdoc wants it.
    sentences = re.sub(r"(?<=[.?!]) (?=[A-Z])", "\n", words).splitlines()
    lines = [line for one in sentences
             for line in textwrap.wrap(one, 78, break_long_words=False, break_on_hyphens=False)]
    return "\n".join("\\&" + line if line[:1] in (".", "'") else line for line in lines)


def code(lines):
    return "\n".join("\\&" + line.replace("\\", "\\e").replace("-", "\\-") for line in lines)


def flag(name):
    return {"long": "Fl \\-", "short": "Fl ", "longWithSingleDash": "Fl "}[name["kind"]] + name["name"]


def head(argument):
    """The line that names an option or an argument."""
    value = f" Ar {argument['valueName']}" if argument["kind"] != "flag" else ""
    if argument["kind"] == "positional":
        return f".It Ar {argument['valueName']}" + (" ..." if argument["isRepeating"] else "")
    names = sorted(argument["names"], key=lambda name: name["kind"] != "short")
    return ".It " + " , ".join(flag(name) + value for name in names)


def entry(argument):
    words = argument.get("abstract", "")
    values = argument.get("allValues") or []
    if values and not all(value in words for value in values):
        words += f" (values: {', '.join(values)})"
    default = argument.get("defaultValue")
    if default is not None and "(default" not in words:
        words += f" (default: {default})"
    return head(argument) + "\n" + text(words or "See the other options.")


def sections(arguments):
    """The options by their titles, those without one first."""
    titles = dict.fromkeys(one.get("sectionTitle") or "" for one in arguments)
    for title in sorted(titles, key=lambda title: (title != "", title == "Common")):
        if title:
            yield f".Ss {title}"
        yield ".Bl -tag -width Ds"
        yield from (entry(one) for one in arguments if (one.get("sectionTitle") or "") == title)
        yield ".El"


def page(tool, date, version):
    dumped = subprocess.run([tool, "--experimental-dump-help"], check=True, capture_output=True, text=True).stdout
    command = json.loads(dumped)["command"]
    name = command["commandName"]
    arguments = [one for one in command["arguments"] if one["shouldDisplay"]]
    positional = [f".{'Op ' if one['isOptional'] else ''}Ar {one['valueName']}" + (" ..." if one["isRepeating"] else "")
                  for one in arguments if one["kind"] == "positional"]
    summary = command["abstract"].strip().rstrip(".")
    example = command["discussion"].splitlines()[1:]
    return "\n".join([
        f".Dd {date}", f".Dt {name.upper()} 1", f".Os Tessera {version}",
        ".Sh NAME", f".Nm {name}", f".Nd {text(summary[0].lower() + summary[1:])}",
        ".Sh SYNOPSIS", f".Nm {name}", *positional, ".Op Ar options",
        ".Sh DESCRIPTION", text(summary + "."), ".Pp", "The options are:", *sections(arguments),
        ".Sh EXIT STATUS", STATUS,
        ".Sh EXAMPLES", ".Bd -literal", code(example), ".Ed", ""])


def main():
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    with open(os.path.join(root, "CHANGELOG.md"), encoding="utf-8") as file:
        released = re.search(r"^## \[([0-9.]+)\] - (\d+)-(\d+)-(\d+)$", file.read(), re.MULTILINE)
    version, year, month, day = released.groups()
    months = "January February March April May June July August September October November December".split()
    sys.stdout.write(page(sys.argv[1], f"{months[int(month) - 1]} {int(day)}, {year}", version))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main()
