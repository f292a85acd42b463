"""Reports, tables and comparisons of made-up runs, with Inception and with another network."""

import json
import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import losses
import synthetic
from compare import spread
from figure_names import figure, higher_is_better, resolve, title


class Folder(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.addCleanup(self.temporary.cleanup)

    def path(self, *names):
        return os.path.join(self.temporary.name, *names)

    def make(self, name, **options):
        """The report of a made-up run, and what report.py prints."""
        text = synthetic.run("report.py", *synthetic.make_run(self.path(name), **options))
        with open(self.path(name, "report.json"), encoding="utf-8") as file:
            return json.load(file), text

    def read(self, *names):
        with open(self.path(*names), encoding="utf-8") as file:
            return file.read()

    def fails(self, script, *arguments):
        """The message of a script that must fail."""
        with self.assertRaises(SystemExit) as caught:
            synthetic.run(script, *arguments)
        return str(caught.exception.code)


class ReportTests(Folder):
    def test_inception_names(self):
        report, text = self.make("run")
        figures = report["figures"]
        self.assertEqual(figures["fid"], 12.5)
        self.assertEqual(figures["kid-standard_error"], 0.001)
        self.assertEqual((figures["sfid"], figures["is"], figures["held-out-is"]), (8.25, 101.5, 101.5))
        self.assertIn(
            "training images     fid 12.5, sfid 8.25, kid 0.01 ± 0.001, is 102 ± 2.5, precision 0.500, recall 0.250; "
            "900 for 3472", text)

    def test_other_network(self):
        report, text = self.make("run", network="squeezenet-1.1")
        self.assertEqual(report["figures"]["fd-squeezenet-1.1"], 5000)
        self.assertIn("fd-squeezenet-1.1 5,000, kd-squeezenet-1.1 4,000 ± 100, precision", text)

    def test_losses_of_one_model(self):
        figures = self.make("run")[0]["figures"]
        self.assertEqual(figures["held_out_loss"], 2.125)
        self.assertEqual(figures["held_out_cluster_loss"], 1.0625)
        self.assertEqual((figures["held_out_cluster_top1"], figures["held_out_token_top5"]), (0.4, 0.5))
        mean = 2 + sum(4 / step for step in range(1, 41)) / 40
        self.assertAlmostEqual(figures["training_token_loss"], mean)
        self.assertAlmostEqual(figures["training_cluster_loss"], mean / 2)
        self.assertEqual(figures["codebook_inner_mse"], 0.01)

    def test_losses_of_two_models(self):
        figures = self.make("run", method="ctf")[0]["figures"]
        self.assertEqual(figures["held_out_loss"], 3.75)
        self.assertEqual((figures["held_out_coarse_loss"], figures["held_out_fine_loss"]), (2.125, 1.625))
        self.assertIn("training_coarse_loss", figures)
        self.assertNotIn("held_out_cluster_loss", figures)

    def test_without_weights_and_with_an_imported_tokenizer(self):
        arguments = [word for word in synthetic.make_run(self.path("run")) if "tokenizer.jsonl" not in word]
        for part in ("training", "held-out", "reconstructions", "tokenizer"):
            os.remove(self.path("run", "metrics", f"{part}.json"))
        text = synthetic.run("report.py", *arguments)
        self.assertIn("not computed: no weights", text)
        self.assertIn("codebook usage        90.0 %", text)
        self.assertIsNone(json.loads(self.read("run", "report.json"))["figures"]["held_out_psnr"])

    def test_log_without_summary(self):
        arguments = synthetic.make_run(self.path("run"))
        synthetic.write(self.path("run", "logs", "model.jsonl"), '{"step": 1}\n')
        self.assertIn("expected logs that end in a summary", self.fails("report.py", *arguments))


class ComparisonTests(Folder):
    def test_table_of_inception(self):
        for seed in (0, 1):
            self.make(f"iar/seed-{seed}", seed=seed)
        runs = f"iar={self.path('iar', '*', 'report.json')}"
        text = synthetic.run("compare.py", runs, "--output", self.path("table"))
        lines = [line.split("\t") for line in self.read("table.tsv").splitlines()]
        self.assertEqual(lines[0][2:5], ["held-out loss", "fid", "kid"])
        self.assertEqual(lines[1][:4], ["iar", "2", "2.125 ± 0", "13 ± 0.71"])
        self.assertIn("13 ± 0.71", text)
        found = json.loads(self.read("table.json"))
        self.assertEqual(found["network"], "inception-v3")
        self.assertEqual(found["rows"][0]["fd-*"]["values"], [12.5, 13.5])
        self.assertEqual(set(found) - {"network", "rows"}, {"command", "commit", "date"})

    def test_deviations_have_two_digits_and_no_exponent(self):
        self.assertEqual([spread(value) for value in [234.5, 1999, 87.4, 0.0049, 0]],
                         [" ± 230", " ± 2,000", " ± 87", " ± 0.0049", " ± 0"])

    def test_two_networks_are_refused(self):
        self.make("a")
        self.make("b", network="pixels")
        message = self.fails("compare.py", *(f"{name}={self.path(name, 'report.json')}" for name in "ab"))
        self.assertIn("expected reports whose metrics are of one network; found inception-v3", message)

    def test_paired(self):
        for method in ("llamagen-baseline", "iar"):
            for value in ("1.5", "2"):
                for seed in (0, 1):
                    self.make(f"{method}/{value}/seed-{seed}", seed=seed, method=method)
        text = synthetic.run(
            "paired.py", f"baseline={self.path('llamagen-baseline')}", f"iar={self.path('iar')}", "--output",
            self.path("paired"), "--figures", "held_out_loss", "fd-*", "is-*")
        self.assertIn("fid ", text)
        rows = json.loads(self.read("paired.json"))["rows"]
        difference = next(row for row in rows if row["method"] == "iar" and row["figure"] == "fd-*")
        self.assertEqual((difference["difference"], difference["interval"]), (0, 0))

    def test_paired_shows_what_the_first_method_lacks(self):
        for name in ("a", "b"):
            self.make(f"{name}/2/seed-0")
        report = json.loads(self.read("a", "2", "seed-0", "report.json"))
        del report["figures"]["held_out_loss"]
        synthetic.write(self.path("a", "2", "seed-0", "report.json"), json.dumps(report))
        synthetic.run("paired.py", f"a={self.path('a')}", f"b={self.path('b')}", "--output", self.path("paired"),
                      "--figures", "held_out_loss")
        rows = json.loads(self.read("paired.json"))["rows"]
        self.assertEqual([(row["method"], "difference" in row) for row in rows], [("b", False)])

    def test_paired_takes_the_best_of_the_values_given(self):
        for value, seed in (("1.5", 0), ("2", 1)):
            self.make(f"iar/{value}/seed-0")
            report = json.loads(self.read("iar", value, "seed-0", "report.json"))
            report["figures"]["fid"] = 12.5 + seed
            synthetic.write(self.path("iar", value, "seed-0", "report.json"), json.dumps(report))
        for values, best in ((["1.5", "2"], "1.5"), (["2"], "2")):
            synthetic.run("paired.py", f"iar={self.path('iar')}", "--output", self.path("paired"), "--values", *values)
            rows = json.loads(self.read("paired.json"))["rows"]
            self.assertEqual({row["value"] for row in rows}, {best})

    def test_paired_does_not_mix_lengths_of_training(self):
        self.make("a/2/seed-0")
        line = ["paired.py", f"a={self.path('a')}", "--output", self.path("x")]
        synthetic.run(*line, "--steps", "500")
        self.assertEqual(json.loads(self.read("x.json"))["training_steps"], 500)
        self.assertIn("has trainings of 500 steps; found --steps 1500", self.fails(*line, "--steps", "1500"))
        # The same before the trainings, when there is nothing to read.
        before = ["paired.py", "--fits", "-", "--output", self.path("x"), "--steps"]
        synthetic.run(*before, "500")
        self.assertIn("has trainings of 500 steps; found --steps 1500", self.fails(*before, "1500"))
        synthetic.run("paired.py", "--fits", "-", "--output", self.path("none"), "--steps", "1500")
        self.assertFalse(os.path.exists(self.path("none.json")))

    def test_paired_records_the_variables(self):
        self.make("a/2/seed-0")
        synthetic.run("paired.py", f"a={self.path('a')}", "--output", self.path("x"), "--variables", "STEPS=500",
                      "GUIDANCES=1.5 2")
        self.assertEqual(json.loads(self.read("x.json"))["variables"], {"STEPS": "500", "GUIDANCES": "1.5 2"})

    def test_paired_needs_equal_seeds(self):
        self.make("a/2/seed-0")
        self.make("b/2/seed-1")
        message = self.fails("paired.py", f"a={self.path('a')}", f"b={self.path('b')}", "--output", self.path("x"))
        self.assertIn("expected reports of the same seeds", message)


class NameTests(unittest.TestCase):
    def test_wildcards(self):
        parts = {"training": None, "held-out": synthetic.metrics("inception-v3", 0)}
        inception = {"metrics": parts, "figures": {"fid": 1}}
        other = {"metrics": {"training": synthetic.metrics("pixels", 0)}, "figures": {}}
        self.assertEqual(resolve("held-out-kd-*-standard_error", inception), "held-out-kid-standard_error")
        self.assertEqual(resolve("sfd-*", other), "sfd-pixels")
        self.assertEqual(resolve("recall", other), "recall")
        self.assertEqual(figure(inception, "fd-*"), 1)
        self.assertIsNone(figure({"metrics": {"training": None}, "figures": {}}, "fd-*"))

    def test_figures_against_reconstructions(self):
        found = synthetic.metrics("pixels", 0)
        report = {"metrics": {"training": found, "reconstructions": found}, "figures": {"recall": 9}}
        self.assertEqual(figure(report, "reconstructions-fd-*"), found["metrics"]["fd-pixels"])
        self.assertEqual(figure(report, "reconstructions-recall"), found["metrics"]["recall"])
        self.assertIsNone(figure({"metrics": {"training": found}, "figures": {}}, "reconstructions-fd-*"))
        self.assertIs(higher_is_better("reconstructions-recall"), True)
        self.assertIs(higher_is_better("reconstructions-fd-pixels"), False)
        self.assertIn("reconstructions", title("reconstructions-fd-pixels"))

    def test_direction(self):
        for name in ("held-out-recall", "is", "is-squeezenet-1.1", "held_out_cluster_top1", "probe_top1"):
            self.assertIs(higher_is_better(name), True, name)
        for name in ("fid", "tokenizer-fd-pixels", "held_out_coarse_loss", "sfid", "kd-*"):
            self.assertIs(higher_is_better(name), False, name)
        for name in ("kid-standard_error", "is-standard_deviation", "codebook_usage", "attention_distance_1"):
            self.assertIsNone(higher_is_better(name), name)

    def test_titles(self):
        self.assertEqual(title("kd-squeezenet-1.1"), "kernel distance (squeezenet-1.1)")
        self.assertEqual(title("sfid"), "sFID")
        self.assertEqual(title("held-out-recall"), "recall against the held-out images")
        self.assertEqual(title("kid-standard_error"), "standard error of the KID")


class LossTests(Folder):
    def test_curves(self):
        synthetic.write_log(self.path("log"), synthetic.training_log(True, 2.0))
        curves, entropy = losses.read(self.path("log"))
        self.assertEqual(set(curves), {"training", "held-out", "training clusters", "held-out clusters"})
        self.assertEqual((entropy, curves["held-out"][10]), (8.0, 2.5))
        line = synthetic.run("losses.py", self.path("log")).splitlines()[9]
        self.assertEqual(line, "10 2.4 2.5 8.0 1.2 1.25")


class ReferenceTests(Folder):
    def log(self, name, losses):
        lines = [{"step": step, "loss": 1.0} | ({"held_out_loss": losses[step]} if step in losses else {})
                 for step in range(1, 301)]
        synthetic.write(self.path(name), "\n".join(map(json.dumps, [*lines, {"summary": {}, "peak_megabytes": 81.6}])))
        return self.path(name)

    def test_the_range_of_the_seeds(self):
        docs = ["--docs", self.temporary.name]
        logs = [self.log("a", {100: 5.0, 200: 4.0}), self.log("b", {100: 5.2, 200: 4.4, 300: 3.0})]
        synthetic.run("reference.py", *docs, "write", "small", *logs)
        self.assertEqual(self.read("reference", "small.tsv"),
                         "# 2 seeds; 82 MB at most\nstep\tmean\tleast\tgreatest\n"
                         "100\t5.1000\t5.0000\t5.2000\n200\t4.2000\t4.0000\t4.4000\n")
        # 4 % beyond the seeds: 3.84 to 4.576 at step 200.
        good = self.log("good", {100: 5.1, 200: 4.57})
        self.assertIn("step 200: 4.570, expected 3.840 to 4.576",
                      synthetic.run("reference.py", *docs, "check", "small", good))
        for loss, word in ((4.58, "higher"), (3.83, "lower")):
            message = self.fails("reference.py", *docs, "check", "small", self.log("bad", {100: 5.1, 200: loss}))
            self.assertIn(f"not as expected at 1 of the steps, first at step 200, where it is {word}", message)
        self.assertIn("found no such file", self.fails("reference.py", *docs, "check", "small", self.path("gone")))
        self.assertIn("found none", self.fails("reference.py", *docs, "check", "small", self.log("none", {50: 1.0})))
        self.assertIn("expected one of the references small", self.fails("reference.py", *docs, "check", "large", good))
        synthetic.run("reference.py", *docs, "page")
        self.assertIn("| 200 | 4.200 | 4.000 | 4.400 |", self.read("reference-runs.md"))
        synthetic.run("reference.py", *docs, "page", "--check")
        synthetic.run("reference.py", *docs, "write", "small", logs[0])
        self.assertIn("is not what", self.fails("reference.py", *docs, "page", "--check"))


if __name__ == "__main__":
    unittest.main()
