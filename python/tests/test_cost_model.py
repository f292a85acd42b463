"""The cost model of bench/: sizes that are published, and properties of a sum over ranks."""

import json
import subprocess
import sys
import unittest

from support import REPOSITORY, Folder

sys.path.insert(0, str(REPOSITORY / "bench"))

import cost_model as cost


class SizeTests(unittest.TestCase):
    def test_parameters_are_the_published_ones(self):
        for name, millions in (("GPT-B", 111), ("GPT-L", 343), ("GPT-XL", 775), ("GPT-XXL", 1411), ("GPT-3B", 3097)):
            self.assertEqual(round(cost.SIZES[name].parameters / 1e6), millions, name)


class SumTests(unittest.TestCase):
    def test_two_ranks_send_the_gradient_once(self):
        link = cost.Link(1e8)
        pauses = 2 * cost.PAUSE * (10 << 20) / 2 / cost.MESSAGE_BYTES
        self.assertAlmostEqual(cost.wire_seconds(10 << 20, 2, link), (10 << 20) / 1e8 + pauses, delta=1e-3)

    def test_bytes_are_those_of_a_ring(self):
        slow = cost.Link(1.0)
        for ranks in (2, 4, 8, 64):
            self.assertAlmostEqual(cost.wire_seconds(1 << 30, ranks, slow) / (2 * (1 - 1 / ranks) * (1 << 30)), 1, 5)

    def test_ranks_of_a_machine_share_its_link(self):
        near, far = cost.Link(1e18), cost.Link(1e3)
        alone = cost.wire_seconds(1 << 30, 2, far)
        # Eight ranks of each machine have added up an eighth each before they use the link.
        self.assertAlmostEqual(cost.wire_seconds(1 << 30, 16, near, far, 8) / alone, 1, 3)

    def test_the_backward_pass_hides_a_fast_link_but_for_the_embeddings(self):
        model, compute = cost.SIZES["GPT-B"], cost.Compute(0.1, 1.0)
        link = cost.Link(1e9)
        seconds, added = cost.step_seconds(model, compute, 64, 2, [link])
        self.assertAlmostEqual(added, cost.wire_seconds(4 * model.embeddings, 2, link))
        self.assertAlmostEqual(seconds, 0.1 + 32 + added)
        _, slow = cost.step_seconds(model, compute, 64, 2, [cost.Link(1e6)])
        self.assertGreater(slow, 100)

    def test_one_rank_tells_nobody(self):
        self.assertEqual(cost.step_seconds(cost.SIZES["GPT-B"], cost.Compute(1, 2), 4, 1, [cost.Link(1)]), (9, 0.0))


class TableTests(Folder):
    def test_measured_steps_calibrate_the_model(self):
        def row(images, seconds, ranks=1, threads=1, link="none", rate=None, calibrates=""):
            return {"model": "GPT-B", "images": images, "ranks": ranks, "threads": threads, "link": link,
                    "bytes_per_second": rate, "latency": 0, "calibrates": calibrates, "seconds_per_step": seconds,
                    "communication_seconds": 0.5, "communication_seconds_alone": 0.1}

        measured = {"thread_efficiency": 0.9, "rows": [
            row(2, 4.2, calibrates="compute"), row(4, 8.2, calibrates="compute"),
            row(4, 5.2, ranks=2, link="shared memory", calibrates="handling"),
            row(4, 5.2, ranks=2, link="loopback", calibrates="handling"), row(8, 9.2, threads=2)]}
        rows, computes, handling = cost.predictions(measured)
        self.assertAlmostEqual(computes["GPT-B"].fixed, 0.2)
        self.assertAlmostEqual(computes["GPT-B"].per_image, 2)
        self.assertAlmostEqual(rows[4]["predicted"], 16.2 / 1.8)
        self.assertAlmostEqual(handling["shared memory"], 1 / cost.sent_bytes(cost.SIZES["GPT-B"].parameters, 2))
        path = self.folder / "scaling.json"
        path.write_text(json.dumps(measured), encoding="utf-8")
        ended = subprocess.run([sys.executable, str(REPOSITORY / "bench" / "cost_model.py"), str(path), "--markdown"],
                               capture_output=True, text=True, check=True)
        self.assertIn("| GPT-XL | 512 |", ended.stdout)


if __name__ == "__main__":
    unittest.main()
