"""The scripts of bench/: the table of ratios, and each script in small where there is a Python with torch.

That Python is the one of the tests, or the one that the environment variable TORCH_PYTHON names.
"""

import ast
import json
import os
import subprocess
import sys
import unittest

from support import REPOSITORY, Folder

BENCH = REPOSITORY / "bench"
PYTHON = os.environ.get("TORCH_PYTHON", sys.executable)


def needs(module):
    """Leaves a test out where a package is missing, and says what it leaves out."""
    found = subprocess.run([PYTHON, "-c", f"from importlib.util import find_spec as f; exit(f('{module}') is None)"],
                           capture_output=True, check=False).returncode == 0
    return unittest.skipUnless(found, f"needs {module}: the scripts of bench/ are NOT tested; set TORCH_PYTHON to a "
                                      "Python with bench/requirements.txt")


def line(rate, **changes):
    return {"row": "sample-6x256", "precision": "float32", "threads": 2, "unit": "tokens", "rate": rate,
            "peakMegabytes": 188.4, **changes}


def peer(rate, **changes):
    return line(rate, **{"peer": "PyTorch 2.9", "compile": False, "peakMegabytes": 1234.0, **changes})


class CompareTests(Folder):
    def compare(self, ours, theirs):
        paths = []
        for name, lines in (("ours.jsonl", ours), ("peers.jsonl", theirs)):
            texts = [one if isinstance(one, str) else json.dumps(one) for one in lines]
            (self.folder / name).write_text("".join(text + "\n" for text in texts))
            paths.append(self.path(name))
        return subprocess.run([sys.executable, BENCH / "compare.py", *paths], capture_output=True, text=True,
                              check=False)

    def refused(self, ours, theirs):
        ended = self.compare(ours, theirs)
        self.assertEqual((ended.returncode, ended.stdout), (1, ""))
        return ended.stderr

    def cells(self, ours, theirs):
        ended = self.compare(ours, theirs)
        self.assertEqual(ended.returncode, 0, ended.stderr)
        lines = ended.stdout.splitlines()
        head, rule, *rows = ([cell.strip() for cell in text.strip("|").split("|")] for text in lines)
        self.assertEqual({len(row) for row in [head, rule, *rows]}, {8})
        return rows, ended.stderr

    def test_one_line_on_each_side(self):
        rows, rest = self.cells([line(6309.4, limit=150.0)], [peer(4206.0)])
        self.assertEqual(rows, [["`sample-6x256`", "float32", "2", "6,309 tokens/s", "PyTorch 2.9", "4,206", "1.50",
                                 "188, 1,234"]])
        self.assertEqual(rest, "")

    def test_turns_and_what_was_compiled(self):
        theirs = [peer(100), peer(10, compile=True), peer(50), peer(20, compile=True), peer(80)]
        rows, _ = self.cells([line(200), line(150), line(160)], theirs)
        # Medians 160 and 80; turns 2, 3 and 2. Compiled there are two lines, which are no turns of three.
        self.assertEqual([row[4:7] for row in rows], [["PyTorch 2.9", "80", "2.00 (2.00 to 3.00)"],
                                                      ["PyTorch 2.9, compiled", "15", "10.67"]])

    def test_small_figures_keep_their_digits(self):
        rows, _ = self.cells([line(0.5678, unit="images")], [peer(0.25, unit="images")])
        self.assertEqual(rows[0][3:7], ["0.568 images/s", "PyTorch 2.9", "0.25", "2.27"])

    def test_only_equal_work_is_compared(self):
        ours = [line(10), line(20, precision="bfloat16"), line(30, threads=1)]
        theirs = [peer(5), peer(4, row="other"), peer(3, threads=4)]
        rows, rest = self.cells(ours, theirs)
        self.assertEqual([row[6] for row in rows], ["2.00"])
        self.assertEqual(rest.splitlines(), [
            "only ours: sample-6x256 in bfloat16 with 2 threads", "only ours: sample-6x256 in float32 with 1 threads",
            "only PyTorch 2.9: other in float32 with 2 threads",
            "only PyTorch 2.9: sample-6x256 in float32 with 4 threads"])

    def test_nothing_in_common(self):
        self.assertIn("no row in common", self.refused([line(1)], [peer(1, unit="images")]))
        self.assertIn("no row in common", self.refused([], [peer(1)]))

    def test_lines_that_do_not_fit(self):
        self.assertIn("ours.jsonl:2: expected a line of JSON; found 'tokens'", self.refused([line(1), "tokens"], []))
        self.assertIn("ours.jsonl:1: expected the keys", self.refused(["17"], []))
        without = {key: value for key, value in peer(1).items() if key != "rate"}
        self.assertIn("peers.jsonl:1: expected the keys", self.refused([line(1)], [without]))
        self.assertIn("missing rate", self.refused([line(1)], [without]))
        self.assertIn("peers.jsonl:1: made with --small", self.refused([line(1)], [peer(1, small=True)]))

    def test_files_in_the_wrong_order(self):
        self.assertIn("ours.jsonl:1: expected a line of tessera-bench", self.refused([peer(1)], [line(1)]))
        self.assertIn("peers.jsonl:1: expected a peer's line", self.refused([line(1)], [line(1)]))

    def test_a_file_that_is_missing(self):
        ended = subprocess.run([sys.executable, BENCH / "compare.py", self.path("no"), self.path("no")],
                               capture_output=True, text=True, check=False)
        self.assertEqual(ended.returncode, 1)
        self.assertIn("no: No such file or directory", ended.stderr)


def constant(script, name):
    """The value of a name that a script sets, as source."""
    for node in ast.parse((BENCH / script).read_text()).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == name:
            return node.value
    raise AssertionError(f"{script} sets no {name}")


def rows_of(script):
    return [key.value for key in constant(script, "ROWS").keys]


class ScriptTests(Folder):
    def run_script(self, script, *arguments):
        return subprocess.run([PYTHON, BENCH / script, *arguments], capture_output=True, text=True, check=False)

    def small(self, script, *arguments):
        """The lines that a script prints for all of its rows in small."""
        ended = self.run_script(script, "--small", "--runs", "1", "--threads", "1", *arguments)
        self.assertEqual(ended.returncode, 0, ended.stderr)
        lines = [json.loads(text) for text in ended.stdout.splitlines()]
        self.assertEqual([one["row"] for one in lines], rows_of(script))
        for one in lines:
            self.assertEqual(set(one), set(peer(1, small=True)))
            self.assertGreater(one["rate"], 0)
            self.assertGreater(one["peakMegabytes"], 1)
            self.assertEqual(one["threads"], 1)
        return lines

    def test_rows_are_listed_where_they_run_in_turn(self):
        for script, rows in ast.literal_eval(constant("in_turn.py", "SCRIPTS")).items():
            self.assertEqual(list(rows), rows_of(script), script)

    def test_the_page_names_every_script_and_row(self):
        page = (BENCH / "README.md").read_text()
        for path in BENCH.glob("*.py"):
            if "ROWS = " in path.read_text() and path.name != "in_turn.py":
                for name in [path.name, *rows_of(path.name)]:
                    self.assertIn(f"`{name}`", page)

    @needs("torch")
    def test_models_are_the_published_ones(self):
        ended = self.run_script("check.py")
        self.assertEqual(ended.returncode, 0, ended.stdout + ended.stderr)
        self.assertGreater(len(ended.stdout.splitlines()), 20)

    @needs("torch")
    def test_torch_in_small(self):
        for script in ("train_transformer.py", "sample_transformer.py", "train_tokenizer.py", "encode_images.py",
                       "sample_var.py"):
            for precision in ("float32", "bfloat16"):
                with self.subTest(script=script, precision=precision):
                    lines = self.small(script, "--precision", precision)
                    self.assertEqual({one["precision"] for one in lines}, {precision})
                    self.assertTrue(all(one["peer"].startswith("PyTorch ") for one in lines))

    @needs("torch")
    def test_int8_in_small(self):
        self.small("sample_transformer.py", "--precision", "int8")

    @needs("torch")
    def test_runs_in_turn(self):
        tool = self.folder / "tessera-bench"
        printed = json.dumps(line(7, row="sample-GPT-B"))
        tool.write_text(f"#!/bin/sh\necho '{printed}'\n")
        tool.chmod(0o755)
        # Of peers in small, whose figures are refused at the end.
        ended = self.run_script("in_turn.py", "--tessera-bench", str(tool), "--rows", "sample-GPT-B", "--precision",
                                "float32", "--turns", "2", "--runs", "1", "--output", self.path("out"), "--small")
        self.assertIn("made with --small", ended.stderr)
        for name in ("ours.jsonl", "peers.jsonl"):
            lines = (self.folder / "out" / name).read_text().splitlines()
            self.assertEqual([json.loads(text)["row"] for text in lines], ["sample-GPT-B"] * 2)

    @needs("sklearn")
    def test_clusters_in_small(self):
        lines = self.small("cluster_codes.py")
        self.assertTrue(lines[0]["peer"].startswith("scikit-learn "))

    @needs("torch_fidelity")
    def test_inception_in_small(self):
        self.assertIn("torch-fidelity", self.small("inception_features.py")[0]["peer"])


if __name__ == "__main__":
    unittest.main()
