#!/usr/bin/env python3
"""Takes a model that a run saved on its way as if that run had ended there.

    saved_model.py out/long model 500 out/at-500

copies out/long/model.step-500.tensors.zst to out/at-500/model.tensors.zst, and of out/long/logs/model.jsonl the lines
up to step 500, with a summary that has the scores and counts of that step."""

import json
import os
import shutil
import sys

from compare import write


def cut(lines, step):
    """The log up to a step, with its summary."""
    steps = [line for line in lines if line.get("step", step + 1) <= step]
    last = [line for line in steps if line["step"] == step]
    scores = {key: value for line in last for key, value in line.items()
              if key.startswith(("held_out_", "images_", "views_"))}
    whole = lines[-1]
    if not last or "summary" not in whole:
        raise ValueError(f"expected a finished run with a step {step}")
    if "held_out_loss" in whole["summary"] and "held_out_loss" not in scores:
        raise ValueError(f"expected a scoring after step {step}; try: an --evaluate-every that divides {step}")
    kept = {key: value for key, value in whole["summary"].items() if not key.startswith("held_out_")}
    share = step / max(line.get("step", 0) for line in lines)
    kept |= scores | {"steps": step, "seconds": kept["seconds"] * share, "epochs": kept["epochs"] * share}
    return [*steps, {**whole, "summary": kept, "elapsed_seconds": whole["elapsed_seconds"] * share}]


def main():
    source, name, step, target = sys.argv[1:]
    try:
        with open(os.path.join(source, "logs", f"{name}.jsonl"), encoding="utf-8") as log:
            lines = cut([json.loads(line) for line in log], int(step))
        model = os.path.join(target, f"{name}.tensors.zst")
        os.makedirs(os.path.join(target, "logs"), exist_ok=True)
        write(os.path.join(target, "logs", f"{name}.jsonl"), "".join(json.dumps(line) + "\n" for line in lines))
        shutil.copyfile(os.path.join(source, f"{name}.step-{step}.tensors.zst"), model + ".partial")
        os.replace(model + ".partial", model)
    except (OSError, ValueError, KeyError) as error:
        sys.exit(f"saved_model.py: {source}: expected a run with --save-at {step}; found {error}")


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    main()
