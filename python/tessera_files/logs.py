"""The logs that tools write with `--log`: one JSON object per line, the last one with the summary."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from .errors import Path


@dataclass
class Log:
    """A log as curves."""

    curves: dict[str, dict[int, float]] = field(default_factory=dict)
    """Values by step, by the name that the log gives them, such as `token_loss` and `held_out_loss`."""
    summary: dict[str, Any] = field(default_factory=dict)
    """What the tool reports at the end; empty while it runs."""


def read_log(path: Path) -> Log:
    """Reads a log. A last line that is only half written, of a run that goes on, is left out."""
    log = Log()
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            if not line.endswith("\n"):
                break
            entry = json.loads(line)
            for name, value in entry.items() if "step" in entry else ():
                if name != "step" and isinstance(value, (int, float)):
                    log.curves.setdefault(name, {})[entry["step"]] = float(value)
            log.summary = entry.get("summary", log.summary)
    return log
