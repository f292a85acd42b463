"""The log of joined shards, from made-up logs."""

import math
import os
import sys
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


if __name__ == "__main__":
    unittest.main()
