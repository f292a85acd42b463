"""The report of a tokenizer alone."""

import json
import os
import subprocess
import sys
import tempfile
import unittest

PIPELINES = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class TokenizerReport(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.metrics = self.path("metrics.json")
        with open(self.metrics, "w", encoding="utf-8") as file:
            json.dump({"metrics": {"fd-pixels": 3.5}, "network": "pixels"}, file)
        self.write("tokens.jsonl", [{"summary": {"code_usage": 0.75}}])

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def write(self, name, lines):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.writelines(json.dumps(line) + "\n" for line in lines)

    def training(self, steps, own_steps):
        """A training of which the last `own_steps` steps are of the run that ended it."""
        for step in range(1, steps + 1):
            line = {"step": step, "loss": 2.0, "reconstruction_loss": 1.0 / step}
            yield line | ({"perceptual_loss": 0.5, "logits_real": float(step)} if step > steps - 5 else {})
        yield {"step": steps, "held_out_psnr": 20.0}
        yield {"summary": {"held_out_psnr": 20.0, "seconds": 7.0, "steps": own_steps}}

    def run_report(self):
        command = [sys.executable, os.path.join(PIPELINES, "tokenizer_report.py"), self.path("report.json"), "--logs",
                   self.path("tokenizer.jsonl"), self.path("tokens.jsonl"), "--metrics", self.metrics]
        return subprocess.run(command, check=False, capture_output=True, text=True)

    def figures(self):
        done = self.run_report()
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(self.path("report.json"), encoding="utf-8") as file:
            return json.load(file)["figures"]

    def test_figures(self):
        self.write("tokenizer.jsonl", self.training(20, 20))
        figures = self.figures()
        self.assertEqual(
            {name: figures[name] for name in ("held_out_psnr", "codebook_usage", "training_seconds", "training_steps")},
            {"held_out_psnr": 20.0, "codebook_usage": 0.75, "training_seconds": 7.0, "training_steps": 20})
        self.assertEqual(figures["tokenizer-fd-pixels"], 3.5)
        # The last ten steps; a term that begins among them is averaged over its own steps.
        self.assertAlmostEqual(figures["training_reconstruction_loss"], sum(1 / step for step in range(11, 21)) / 10)
        self.assertEqual(figures["training_perceptual_loss"], 0.5)
        self.assertEqual(figures["training_logits_real"], 18.0)

    def test_a_resumed_training_has_no_time(self):
        self.write("tokenizer.jsonl", self.training(20, 12))
        figures = self.figures()
        self.assertIsNone(figures["training_seconds"])
        self.assertEqual(figures["training_steps"], 20)

    def test_without_metrics(self):
        self.write("tokenizer.jsonl", self.training(20, 20))
        os.remove(self.metrics)
        self.assertNotIn("tokenizer-fd-pixels", self.figures())

    def test_a_log_without_summary(self):
        self.write("tokenizer.jsonl", list(self.training(20, 20))[:-1])
        done = self.run_report()
        self.assertEqual(done.returncode, 1)
        self.assertIn("expected logs that end in a summary", done.stderr)


if __name__ == "__main__":
    unittest.main()
