"""The logs that tools write with `--log`: one JSON object per line, the last one with the summary."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from .errors import Defect, FormatError, Origin, Path


@dataclass
class Log:
    """A log as curves."""

    curves: dict[str, dict[int, float]] = field(default_factory=dict)
    """Values by step, by the name that the log gives them, such as `token_loss` and `held_out_loss`."""
    summary: dict[str, Any] = field(default_factory=dict)
    """What the tool reports at the end; empty while it runs."""


def read_log(path: Path) -> Log:
    """Reads a log. A last line that is only half written, of a run that goes on, is left out. Raises FormatError for a
    file that is no log."""
    log = Log()
    with open(path, "rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.endswith(b"\n"):
                break
            entry = _entry(line, path, number)
            for name, value in entry.items() if "step" in entry else ():
                if name != "step" and isinstance(value, (int, float)):
                    log.curves.setdefault(name, {})[entry["step"]] = float(value)
            log.summary = entry.get("summary", log.summary)
    return log


def _entry(line: bytes, path: Path, number: int) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except ValueError:
        entry = None
    if not isinstance(entry, dict) or not isinstance(entry.get("summary", {}), dict):
        raise FormatError(Defect.HEADER_NOT_JSON, Origin(str(path)), expected="a log, one JSON object per line",
                          found=f"another text in line {number}", hint="give the file that --log names")
    return entry
