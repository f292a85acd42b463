#!/usr/bin/env python3
"""Checks the plan of the rooms in Package.swift against the imports in the sources, and draws it.

    check-rooms.py                 every target lists exactly what its files import, no import goes to a higher layer,
                                   and docs/images/rooms.svg is a drawing of these rooms
    check-rooms.py --draw          makes that drawing anew (needs graphviz's dot)
    check-rooms.py --list          prints the imports of every target, for Package.swift

The layers are the cases of `Layer` in Package.swift, the lowest first; a target's layer is its folder's parent.
"""

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys

IMPORT = re.compile(r"^\s*(?:@testable |@preconcurrency |public |internal )?import (\w+)$", re.M)
INCLUDE = re.compile(r'^\s*#\s*include\s*[<"](\w+)\.h[>"]', re.M)
DRAWING = "docs/images/rooms.svg"
SYSTEM = {"Foundation", "FoundationEssentials", "Glibc", "Testing", "Synchronization", "Dispatch", "PackageDescription"}


def package():
    text = subprocess.run(["swift", "package", "dump-package"], check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(text)


def layers():
    with open("Package.swift", encoding="utf-8") as file:
        body = re.search(r"enum Layer: String \{(.*?)\n\n", file.read(), re.S).group(1)
    return re.findall(r'case \w+ = "(\w+)"', body)


def mark(text):
    """What the drawing ends with: it tells of which rooms it is, whatever version of dot has placed them."""
    return f"<!-- {hashlib.sha256(text.encode()).hexdigest()} -->\n"


def listed(target):
    """The names of a target's dependencies."""
    return {next(iter(dependency.values()))[0] for dependency in target["dependencies"]}


def imported(folder, names):
    """Modules that the files of a folder import, as targets are called."""
    found = set()
    for place, _, files in os.walk(folder):
        for name in files:
            if name.endswith((".swift", ".c", ".h")):
                with open(os.path.join(place, name), encoding="utf-8") as file:
                    text = file.read()
                pattern = IMPORT if name.endswith(".swift") else INCLUDE
                found |= {names.get(module, module) for module in pattern.findall(text)
                          if pattern is IMPORT or names.get(module)}
    return found - SYSTEM


def folder(target):
    return target.get("path") or f"Tests/{target['name']}"


def targets(plan):
    return [target for target in plan["targets"] if target["type"] != "system"]


def problems(plan, order):
    names = {target["name"].replace("-", "_"): target["name"] for target in plan["targets"]}
    layer = {}
    for target in plan["targets"]:
        parts = folder(target).split("/")
        if parts[0] == "Sources":
            if parts[1] not in order:
                yield f"{folder(target)}: no layer of Package.swift is called {parts[1]}"
            layer[target["name"]] = order.index(parts[1]) if parts[1] in order else 0
    for target in targets(plan):
        name = target["name"]
        found, stated = imported(folder(target), names) - {name}, listed(target)
        if target["type"] == "test" and name == "CommandLineTests":
            # It runs the tools, which it does not import.
            stated = {other for other in stated if layer.get(other) != order.index("Tools")}
        for other in sorted(found - stated):
            yield f"{name}: imports {other}, which Package.swift does not list for it"
        for other in sorted(stated - found):
            yield f"{name}: Package.swift lists {other}, which no file of it imports"
        if name in layer:
            for other in sorted(found):
                if layer.get(other, 0) > layer[name]:
                    yield f"{name} ({order[layer[name]]}): imports {other} of the higher layer {order[layer[other]]}"
    for target in targets(plan):
        if folder(target).startswith("Sources/") and target["name"] != "tessera-bench":
            for path in files_that_import("Foundation", folder(target)):
                yield f"{path}: imports Foundation, whose tables of languages make each tool slower to start; " \
                    "import FoundationEssentials"


def files_that_import(module, place):
    """The Swift files of a folder that import a module."""
    for path, _, files in os.walk(place):
        for name in sorted(files):
            if name.endswith(".swift"):
                with open(os.path.join(path, name), encoding="utf-8") as file:
                    if module in IMPORT.findall(file.read()):
                        yield os.path.join(path, name)


def drawing(plan, order):
    """The rooms as a graph: a box per layer, an arrow per import, without those that follow from others."""
    rooms = [target for target in plan["targets"] if folder(target).startswith("Sources/")]
    edges = {room["name"]: listed(room) & {other["name"] for other in rooms} for room in rooms
             if not folder(room).startswith("Sources/Tools/")}

    def reach(name, seen):
        for other in edges.get(name, ()):
            if other not in seen:
                seen.add(other)
                reach(other, seen)
        return seen

    lines = ["digraph rooms {", '  rankdir=TB; compound=true; nodesep=0.25; ranksep=0.45; fontname="sans-serif";',
             '  node [shape=box, style="rounded,filled", fillcolor=white, fontname="sans-serif", fontsize=12];',
             '  edge [color="#555555", arrowsize=0.6];']
    for number, name in reversed(list(enumerate(order))):
        members = [room["name"] for room in rooms if folder(room).split("/")[1] == name]
        if name == "Tools":
            lines.append(f'  tools [label="{len(members)} tools", fillcolor="#dde8f5"];')
            continue
        lines.append(f'  subgraph cluster_{number} {{')
        lines.append(f'    label="{name}"; labeljust=l; color="#bbbbbb"; bgcolor="#f6f6f2";')
        lines += [f'    "{member}";' for member in sorted(members)] + ["  }"]
    for name, others in sorted(edges.items()):
        implied = set().union(*(reach(other, set()) for other in others)) if others else set()
        lines += [f'  "{name}" -> "{other}";' for other in sorted(others - implied)]
    lines += ['  tools -> "SuiteOptions";', "}"]
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draw", action="store_true")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    plan, order = package(), layers()
    if options.list:
        names = {target["name"].replace("-", "_"): target["name"] for target in plan["targets"]}
        for target in targets(plan):
            print(target["name"], *sorted(imported(folder(target), names) - {target["name"]}))
        return
    if options.draw:
        text = drawing(plan, order)
        svg = subprocess.run(["dot", "-Tsvg"], input=text, check=True, text=True, stdout=subprocess.PIPE)
        with open(DRAWING, "w", encoding="utf-8") as file:
            file.write(svg.stdout + mark(text))
        return
    found = list(problems(plan, order))
    with open(DRAWING, encoding="utf-8") as file:
        if not file.read().endswith(mark(drawing(plan, order))):
            found.append(f"{DRAWING}: shows other rooms than Package.swift; run scripts/check-rooms.py --draw")
    for line in found:
        print(f"check-rooms: {line}", file=sys.stderr)
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
