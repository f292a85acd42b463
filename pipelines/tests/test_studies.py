"""What studies are made of: models taken from the middle of a run, equal times, tables, and the page about results."""

import json
import os
import sys
import unittest
from xml.etree import ElementTree

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import results_page
import synthetic
from test_reports import Folder


class SavedModelTests(Folder):
    def take(self, step):
        synthetic.write_log(self.path("long", "logs", "model.jsonl"), synthetic.training_log(True, 2.0))
        synthetic.write(self.path("long", "model.step-20.tensors.zst"), b"weights")
        synthetic.run("saved_model.py", self.path("long"), "model", str(step), self.path("at"))

    def test_the_run_ends_at_the_step(self):
        self.take(20)
        self.assertEqual(self.read("at", "model.tensors.zst"), "weights")
        lines = [json.loads(line) for line in self.read("at", "logs", "model.jsonl").splitlines()]
        self.assertEqual(max(line.get("step", 0) for line in lines), 20)
        summary = lines[-1]["summary"]
        self.assertEqual((summary["held_out_loss"], summary["held_out_cluster_loss"]), (2.25, 1.125))
        self.assertEqual((summary["images_seen"], summary["steps"], summary["epochs"]), (320, 20, 1.0))
        self.assertEqual((summary["seconds"], summary["parameters"]), (9.5, 1000000))

    def test_steps_that_were_not_scored_or_saved(self):
        for step, words in ((25, "expected a scoring after step 25"), (50, "expected a finished run with a step 50"),
                            (30, "expected a run with --save-at 30")):
            with self.assertRaises(SystemExit) as caught:
                self.take(step)
            self.assertIn(words, str(caught.exception.code))


class EqualTimeTests(Folder):
    def reports(self, name, seconds):
        for seed, value in enumerate(seconds):
            report = json.dumps({"figures": {"training_seconds": value}})
            synthetic.write(self.path(name, f"seed-{seed}", "report.json"), report)
        return self.path(name, "*", "report.json")

    def test_steps_of_equal_seconds(self):
        plain, slow = self.reports("plain", [14.0, 10.0, None]), self.reports("slow", [25.0, 80.0])
        self.assertEqual(synthetic.run("equal_time.py", plain, slow, "--steps", "100"), "250\n")

    def test_resumed_runs_only(self):
        plain = self.reports("plain", [None])
        message = self.fails("equal_time.py", plain, plain, "--steps", "100")
        self.assertIn("expected a report of a training that was not interrupted", message)


# In place of the tool: the model's name decides the scores, and the arguments are kept.
SCORES = """#!/bin/sh
echo "$*" >> "$(dirname "$0")/calls"
case $* in *plain*) top=0.25 ;; *) top=0.5 ;; esac
printf '{"loss":6,"cluster_loss":2,"token_in_cluster_top1":%s,"token_in_cluster_top5":1,"token_top1":0.1,' $top
printf '"token_top5":0.2,"cluster_top1":0.3,"cluster_top5":0.4}'
"""


class AccuraciesTests(Folder):
    def setUp(self):
        super().setUp()
        synthetic.write(self.path("bin", "score-tokens"), SCORES)
        os.chmod(self.path("bin", "score-tokens"), 0o755)
        self.addCleanup(os.environ.__setitem__, "PATH", os.environ["PATH"])
        os.environ["PATH"] = self.path("bin") + os.pathsep + os.environ["PATH"]

    def arms(self, plain, clustered):
        for name, seeds in (("plain", plain), ("clustered", clustered)):
            for seed in seeds:
                synthetic.write(self.path(name, "2", f"seed-{seed}", "model.tensors.zst"), b"")
        return ["baseline=" + self.path("plain"), "iar=" + self.path("clustered"), "--value", "2",
                "--tokens", "plain.zst", "--output", self.path("table")]

    def test_each_model_is_scored_by_the_clusters_of_its_seed(self):
        synthetic.run("accuracies.py", *self.arms([0, 1, 2], [1, 2, 3]))
        table = json.loads(self.read("table.json"))
        self.assertEqual(table["seeds"], [1, 2])
        row = next(row for row in table["rows"] if row["method"] == "iar" and row["figure"].endswith("in_cluster_top1"))
        self.assertEqual((row["mean"], row["difference"], row["verdict"]), (0.5, 0.25, "better"))
        calls = self.read("bin", "calls").splitlines()
        self.assertEqual(len(calls), 4)
        self.assertIn("seed-1/mapping.tensors.zst", calls[0])
        self.assertIn("plain.zst --model " + self.path("plain"), calls[0])
        self.assertIn("seed-1/rearranged.tokens.zst --model " + self.path("clustered"), calls[1])
        self.assertNotIn("--mapping", calls[1])

    def test_without_equal_seeds(self):
        self.assertIn("expected models of the same seeds", self.fails("accuracies.py", *self.arms([0], [1])))

    def test_a_tool_that_fails(self):
        synthetic.write(self.path("bin", "score-tokens"), "#!/bin/sh\necho 'score-tokens: no' >&2; exit 65\n")
        self.assertIn("exit code 65: score-tokens: no", self.fails("accuracies.py", *self.arms([0], [0])))


class TableTests(Folder):
    def table(self, name, files, *options):
        for file, content in files.items():
            synthetic.write(self.path(file), json.dumps(content))
        synthetic.run("tabulate.py", name, *map(self.path, files), *options, "--output", self.path("table"))
        return self.read("table.tsv").splitlines(), results_page.rows_of(json.loads(self.read("table.json")))

    def test_pairs_in_the_order_of_their_numbers(self):
        files = {f"distance-{number}.json": {"metrics": {"mse": number / 2}} for number in (10, 2)}
        lines, rows = self.table("distance", files)
        self.assertEqual(lines, ["distance\tmse", "2\t1", "10\t5"])
        self.assertEqual(rows["10"], {"mse": [5.0]})

    def test_codebook_before_and_after(self):
        summary = {"before": {"inner_mse": 2}, "after": {"inner_mse": 1}, "adjacent_distance_sum_before": 9,
                   "adjacent_distance_sum_after": 3}
        lines, _ = self.table("order", {"size-4.json": summary}, "--before-and-after")
        self.assertEqual(lines, ["order\tinner_mse\tadjacent_distance_sum", "before\t2\t9", "after\t1\t3"])

    def test_speeds_and_views(self):
        speed = {"row": "CTF-B-1", "precision": "int8", "unit": "images", "rate": 0.5, "peakMegabytes": 100}
        self.assertEqual(self.table("row", {"a.json": speed})[1]["CTF-B-1 int8"]["images_per_second"], [0.5])
        views = {"views": [{"view": "left", "equal_tokens": 0.25}], "another_image": 0.125}
        self.assertEqual(self.table("view", {"a.json": views})[0][1:], ["left\t0.25", "another image\t0.125"])

    def test_another_file(self):
        synthetic.write(self.path("a-1.json"), "{}")
        self.assertIn("expected what tools write", self.fails("tabulate.py", "x", self.path("a-1.json")))


PAPERS = {
    "papers": {"iar": "IAR"}, "contradictions": ["One slip."], "without": [["Figure 9", "a drawing"]],
    "entries": [{
        "paper": "iar", "place": "Table 3", "study": "iar-table-3", "title": "arms", "ours": ["iar-table-3"],
        "columns": ["arm", "FID"], "rows": [["both", 6.77], ["neither", None]],
        "claims": [
            {"says": "better", "paper": "6.77 < 7.14",
             "less": ["iar-table-3 / iar / fd-*", "iar-table-3 / base / fd-*"]},
            {"says": "shared", "paper": "-", "less": ["iar-table-3 / base / recall", "iar-table-3 / iar / recall"]},
            {"says": "curve", "paper": "-", "rises": "curve / mse / 0 1 2"},
            {"says": "small", "paper": "-", "less": ["curve / 2 / mse", "0.5"]},
            {"says": "absent", "paper": "-", "less": ["none / a / fd-*", "none / b / fd-*"]},
        ],
        "plots": [
            {"name": "shape", "title": "Mean & shape", "x": "distance", "y": "MSE", "places": [0, 1, 2, 7],
             "lines": {"ours": "curve / {x} / mse", "absent": "none / {x} / mse"}},
            {"name": "scales", "title": "Over guidance", "x": "scale", "y": "fd", "even": True, "places": [2, 1.5],
             "lines": {"IAR": "swept / iar at {x} / fd-*"}},
            {"name": "nothing", "title": "Not run", "x": "", "y": "", "places": [1, 2],
             "lines": {"a": "none / {x} / b"}},
        ]}],
}


class ResultsPageTests(Folder):
    def setUp(self):
        super().setUp()
        self.write("papers", PAPERS)
        values = {"iar": ([1.0, 2.0, 3.0], [0.5, 0.6]), "base": ([2.0, 3.1, 4.0], [0.4, 0.7])}
        self.write("iar-table-3", {"rows": [
            {"method": method, "figure": figure, "values": numbers} for method, pair in values.items()
            for figure, numbers in zip(("fd-*", "recall"), pair)]})
        self.write("curve", {"rows": [{"distance": number, "mse": number / 2} for number in range(3)]})
        sweep = {value: {str(seed): {"fd-*": base + seed} for seed in range(3)}
                 for value, base in (("1.5", 5.0), ("2", 8.0))}
        self.write("swept", {"rows": [], "seeds": [0, 1], "sweeps": {"iar": sweep}})

    def write(self, name, content):
        synthetic.write(self.path("results", f"{name}.json"), json.dumps(content))

    def page(self):
        synthetic.run("results_page.py", "--docs", self.temporary.name)
        return self.read("results.md")

    def test_rows(self):
        text = self.page()
        command = "`make study-iar-table-3` | 180 |"
        for row in [
            f"| Table 3 | better | 6.77 < 7.14 | 2 ± 1 < 3.033 ± 1 | yes | {command}",
            f"| Table 3 | shared | - | 0.55 ± 0.21 ≥ 0.55 ± 0.071 | not decided (other direction) | {command}",
            f"| Table 3 | curve | - | 0 to 1 | yes | {command}", f"| Table 3 | small | - | 1 ≥ 0.5 | no | {command}",
            f"| Table 3 | absent | - |  | not run | {command}", "| both | 6.77 |", "| neither |  |", "* One slip.",
            "| Figure 9 | a drawing |", "| iar | 2 ± 1 | 0.55 ± 0.071 |",
        ]:
            self.assertIn(row + "\n", text)

    def test_commands_have_the_variables_of_their_tables(self):
        usual = {"command": "paired.py a=b --values 2.5 1.5 2 3.5 --steps 1500 --output x", "training_steps": 1500,
                 "seeds": [0, 1, 2]}
        other = {"command": "paired.py a=b --values 1.5 '2.5' --steps 500 --output x", "training_steps": 500,
                 "seeds": [0, 1]}
        for table, variables in (
            (usual, {}), (other, {"STEPS": "500", "GUIDANCES": "1.5 2.5", "SEEDS": "0 1"}), ({}, {}),
            ({"command": "paired.py --values 1 --steps 500", "training_steps": 500}, {"STEPS": "500"}),
            ({**other, "variables": {"STEPS": "750", "SEEDS": "0 1 2"}}, {"STEPS": "750"}),
        ):
            self.assertEqual(results_page.variables_of(table), variables)
        self.assertEqual(results_page.command("a", {"STEPS": "500", "GUIDANCES": "1.5 2.5"}),
                         "`make study-a STEPS=500 GUIDANCES='1.5 2.5'`")
        for name in ("iar-table-3", "curve"):
            table = json.loads(self.read("results", f"{name}.json"))
            self.write(name, {**table, **other})
        self.assertIn("| Table 3 | better | 6.77 < 7.14 | 2 ± 1 < 3.033 ± 1 | yes | `make study-iar-table-3 STEPS=500 "
                      "GUIDANCES='1.5 2.5' SEEDS='0 1'` | 180 |", self.page())

    def test_plots(self):
        text = self.page()
        self.assertIn("![Mean & shape](results/shape.svg)\n", text)
        self.assertIn("![Over guidance](results/scales.svg)\n", text)
        self.assertNotIn("nothing.svg", text)
        self.assertFalse(os.path.exists(self.path("results", "nothing.svg")))
        drawing = ElementTree.fromstring(self.read("results", "shape.svg"))
        tag = "{http://www.w3.org/2000/svg}%s"
        # A line through the three places of the table; the fourth place and the absent line are left out.
        [line] = drawing.iter(tag % "polyline")
        points = [tuple(map(float, point.split(","))) for point in line.get("points").split()]
        self.assertEqual(len(points), 3)
        self.assertEqual(points[1][0] * 2, points[0][0] + points[2][0])
        self.assertTrue(points[0][1] > points[1][1] > points[2][1])
        words = [text.text for text in drawing.iter(tag % "text")]
        self.assertTrue({"Mean & shape", "distance", "MSE", "ours", "0", "2"} <= set(words) and "7" not in words)
        # Bars from the least to the greatest of the two common seeds, in the order of the places.
        bars = [bar for bar in ElementTree.fromstring(self.read("results", "scales.svg")).iter(tag % "line")
                if bar.get("class") is None and bar.get("x1") == bar.get("x2")]
        self.assertEqual(len(bars), 2)
        self.assertLess(float(bars[0].get("x1")), float(bars[1].get("x1")))
        self.assertLess(float(bars[0].get("y2")), float(bars[1].get("y2")))

    def test_check(self):
        self.page()
        synthetic.run("results_page.py", "--docs", self.temporary.name, "--check")
        self.write("curve", {"rows": [{"distance": number, "mse": -number} for number in range(3)]})
        message = self.fails("results_page.py", "--docs", self.temporary.name, "--check")
        self.assertIn("is not what the tables in docs/results give", message)
        self.page()
        os.remove(self.path("results", "shape.svg"))
        message = self.fails("results_page.py", "--docs", self.temporary.name, "--check")
        self.assertIn("docs/results/shape.svg is not what", message)
        self.page()
        self.write("other", {"rows": []})
        message = self.fails("results_page.py", "--docs", self.temporary.name, "--check")
        self.assertIn("tables that no row of docs/results.md uses: other", message)

    def test_one_seed_decides_nothing(self):
        self.assertEqual(results_page.verdict([1.0], [2.0], False), "not decided (one run, same direction)")
        self.assertEqual(results_page.verdict([1.0, 3.0], [2.0, 2.5], False), "not decided (same direction)")
        self.assertEqual(results_page.verdict([2.0, 2.1], [1.0, 1.0], False), "no")

    def test_studies_that_are_not_there(self):
        self.write("papers", {**PAPERS, "entries": [{**PAPERS["entries"][0], "study": "iar-table-99"}]})
        self.assertIn("studies.mk lacks: iar-table-99", self.fails("results_page.py", "--docs", self.temporary.name))


if __name__ == "__main__":
    unittest.main()
