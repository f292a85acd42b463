"""The table of trainings that start from a model, of made-up logs."""

import contextlib
import io
import json
import os
import sys
import tempfile
import unittest
from unittest import mock

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import fine_tuning


class FineTuning(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = temporary.name

    def log(self, start, seed, losses):
        folder = os.path.join(self.folder, start, f"seed-{seed}", "logs")
        os.makedirs(folder)
        with open(os.path.join(folder, "model.jsonl"), "w", encoding="utf-8") as file:
            for step, loss in losses.items():
                file.write(json.dumps({"step": step, "token_loss": 9.0}) + "\n")
                file.write(json.dumps({"step": step, "held_out_loss": loss}) + "\n")

    def run_tool(self, *seeds):
        output = os.path.join(self.folder, "table")
        arguments = ["fine_tuning.py", self.folder, "--seeds", *map(str, seeds), "--output", output]
        with mock.patch.object(sys, "argv", arguments), contextlib.redirect_stdout(io.StringIO()) as printed:
            fine_tuning.main()
        with open(output + ".json", encoding="utf-8") as file:
            return printed.getvalue().splitlines(), json.load(file)

    def test_first_step_at_the_last_loss_from_scratch(self):
        self.log("scratch", 0, {100: 6.0, 200: 4.5, 300: 5.0})
        self.log("tuned", 0, {50: 5.5, 100: 5.0, 150: 4.0})
        self.log("scratch", 1, {100: 4.0, 300: 3.0})
        self.log("tuned", 1, {50: 5.5, 150: 3.5})
        lines, table = self.run_tool(0, 1)
        self.assertEqual(lines[1].split("\t"), ["0", "300", "5", "150", "4", "100", "0.3333", "not reached"])
        self.assertEqual(lines[2].split("\t"), ["1", "300", "3", "150", "3.5", "not reached", "not reached", "300"])
        self.assertEqual(table["rows"][0]["share of steps"], 1 / 3)
        self.assertEqual(set(table), {"command", "commit", "date", "rows"})

    def test_a_log_without_held_out_losses(self):
        self.log("scratch", 0, {})
        with self.assertRaisesRegex(SystemExit, "expected held-out losses; found none"):
            self.run_tool(0)

    def test_a_run_that_is_not_there(self):
        with self.assertRaisesRegex(SystemExit, "No such file"):
            self.run_tool(7)


if __name__ == "__main__":
    unittest.main()
