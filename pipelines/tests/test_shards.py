"""The log of joined shards, from made-up logs."""

import json
import math
import os
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import join_shards


def stage(seconds, **summary):
    return {"summary": {"seconds": seconds, **summary}, "elapsed_seconds": seconds + 1, "peak_megabytes": 10 * seconds}


class JoinTests(unittest.TestCase):
    def test_counts_add_up_and_rates_are_of_all_runs(self):
        joined = join_shards.join([
            stage(2, images=3, skipped=1, images_per_second=1.5, seed=7, shard={"number": 1}),
            stage(4, images=1, skipped=0, images_per_second=0.25, seed=7, shard={"number": 2}),
        ])
        self.assertEqual(joined["summary"], {
            "seconds": 6, "images": 4, "skipped": 1, "images_per_second": 4 / 6, "seed": 7})
        self.assertEqual((joined["elapsed_seconds"], joined["peak_megabytes"]), (8, 40))

    def test_usage_is_that_of_all_codes(self):
        counts = [[1, 0, 0, 0], [0, 3, 0, 0], [0, 0, 0, 0]]
        joined = join_shards.join([stage(1, code_usage=0.25, code_counts=part) for part in counts])["summary"]
        self.assertNotIn("code_counts", joined)
        self.assertEqual(joined["code_usage"], 0.5)
        entropy = -(0.25 * math.log(0.25) + 0.75 * math.log(0.75))
        self.assertAlmostEqual(joined["unigram_entropy"], entropy, places=14)
        self.assertAlmostEqual(joined["code_perplexity"], math.exp(entropy), places=14)

    def test_a_run_that_did_nothing_has_no_rate(self):
        self.assertEqual(join_shards.join([stage(0, images_per_second=0)])["summary"]["images_per_second"], 0)


class JoinedFileTests(unittest.TestCase):
    """Runs the program over files, with a show-file that accepts what begins with "good"."""

    def setUp(self):
        self.folder = self.enterContext(tempfile.TemporaryDirectory())
        self.write("bin/show-file", "#!/bin/sh\nread -r line < \"$2\"\ncase $line in good*) ;; *) exit 65 ;; esac\n")
        os.chmod(self.path("bin/show-file"), 0o755)
        for number in (1, 2):
            self.write(f"{number}.jsonl", json.dumps(stage(number, images=number)) + "\n")
            self.write(f"{number}.zst", "good")

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)

    def join(self):
        run = subprocess.run(
            [sys.executable, join_shards.__file__, "all.zst", "--logs", "1.jsonl", "2.jsonl", "--log", "all.jsonl",
             "--shards", "1.zst", "2.zst"], cwd=self.folder, env=os.environ | {"PATH": self.path("bin") + ":/bin"},
            check=False, capture_output=True, text=True)
        return run.returncode, sorted(name for name in os.listdir(self.folder) if name != "bin")

    def test_the_whole_and_its_log_take_the_place_of_the_shards(self):
        self.assertEqual(self.join(), (0, ["all.jsonl", "all.zst"]))
        self.assertEqual(join_shards.read_summary(self.path("all.jsonl"))["summary"]["images"], 3)

    def test_shards_that_are_no_whole_are_left_alone(self):
        self.write("1.zst", "bad")
        self.assertEqual(self.join(), (65, ["1.jsonl", "1.zst", "2.jsonl", "2.zst"]))

    def test_a_missing_shard_leaves_nothing(self):
        os.remove(self.path("2.zst"))
        self.assertEqual(self.join(), (1, ["1.jsonl", "1.zst", "2.jsonl"]))

    def test_the_product_comes_after_its_log(self):
        # A folder in the place of the product: the last step fails, as after kill -9 the log alone is there.
        os.mkdir(self.path("all.zst"))
        status, names = self.join()
        self.assertEqual((status, names), (1, ["1.jsonl", "1.zst", "2.jsonl", "2.zst", "all.jsonl", "all.zst"]))
        os.rmdir(self.path("all.zst"))
        self.assertEqual(self.join(), (0, ["all.jsonl", "all.zst"]))


class ShardCountTests(unittest.TestCase):
    def count(self, text):
        """What make says of SHARDS=text: the shards of a product, or its error."""
        makefile = "include shards.mk\nall: ; @echo $(call shards_of,a/b.zst)\n"
        folder = os.path.dirname(join_shards.__file__)
        run = subprocess.run(["make", "-s", "-f", "-", f"SHARDS={text}"], input=makefile, cwd=folder, check=False,
                             capture_output=True, text=True)
        return run.stdout.strip() or run.stderr.strip()

    def test_a_number_may_have_spaces_around_it(self):
        for text in ("2", "2 ", " 2"):
            self.assertEqual(self.count(text), "a/shards/b-1-of-2.zst a/shards/b-2-of-2.zst")

    def test_what_is_no_number_is_refused(self):
        for text in ("0", "x", "-1", "1 2", "1.5", "1e3", "02", "1000000"):
            self.assertIn(f"SHARDS={text}: expected a number of shards from 1 to 999999", self.count(text))


if __name__ == "__main__":
    unittest.main()
