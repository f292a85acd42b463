"""Figures of a released model beside those that its paper prints, and their plots over the guidance scale."""

import json
import os
import sys
from xml.etree import ElementTree

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import published_figures
import synthetic
from test_reports import Folder

PUBLISHED = os.path.join(synthetic.PIPELINES, "published", "llamagen.tsv")
MODEL = ("--published", PUBLISHED, "--model", "B", "--size", "256")


class PublishedTests(Folder):
    def test_every_model_has_a_row_without_guidance_and_a_best_one(self):
        for size, models in ((256, ["B", "L", "XL", "XXL", "3B"]), (384, ["B", "L", "XL", "XXL", "3B"])):
            for model in models:
                rows = published_figures.read(PUBLISHED, model, size)
                self.assertIn(1, rows)
                scales = sorted(rows)
                # More guidance: a higher inception score, more precision, and less recall, within what is noise.
                scores = [rows[scale]["is"] for scale in scales]
                self.assertEqual(scores, sorted(scores), f"{model} {size}")
                best = min(scales, key=lambda scale: rows[scale]["fid"])
                self.assertTrue(scales[0] < best < scales[-1], f"{model} {size}")
        # The figures of the page of LlamaGen's code.
        known = {("B", 256): 5.46, ("B", 384): 6.09, ("L", 256): 3.80, ("L", 384): 3.07, ("XL", 384): 2.62,
                 ("XXL", 384): 2.34, ("3B", 384): 2.18}
        for (model, size), fid in known.items():
            best = min(row["fid"] for row in published_figures.read(PUBLISHED, model, size).values())
            self.assertLess(abs(best - fid), 0.01)

    def test_a_model_that_is_not_there(self):
        with self.assertRaisesRegex(ValueError, "expected a row of model B at 512 pixels"):
            published_figures.read(PUBLISHED, "B", 512)


class ReproductionTests(Folder):
    def report(self, network="inception-v3", scale=2):
        synthetic.write(self.path("metrics.json"), json.dumps(synthetic.metrics(network, 0)))
        sampling = {"guidance": {"scale": scale}, "preset": "llamagen-c2i-B-256"}
        synthetic.write_log(self.path("samples.jsonl"), synthetic.stage(
            images=900, images_per_second=3.5, seed=7, sampling=sampling))
        text = synthetic.run("reproduction.py", self.path("report.json"), "--metrics", self.path("metrics.json"),
                             "--samples", self.path("samples.jsonl"), *MODEL)
        return json.loads(self.read("report.json")), text

    def test_inception(self):
        report, text = self.report()
        self.assertEqual(report["figures"]["fid"], 12.5)
        self.assertEqual(report["published"]["fid"], 5.464)
        self.assertEqual((report["guidance"], report["seed"]), (2, 7))
        table = [line.split("\t") for line in self.read("report.tsv").splitlines()]
        self.assertEqual(table, [
            ["figure", "here", "published"], ["fid", "12.5", "5.464"], ["sfid", "8.25", "7.503"],
            ["is", "101.5", "193.613"], ["precision", "0.5", "0.839"], ["recall", "0.25", "0.457"]])
        self.assertIn("LlamaGen, Table 8, 50000 samples, 300 epochs", text)
        self.assertIn("guidance 2, 900 samples", text)

    def test_a_scale_that_was_not_published(self):
        report, text = self.report(scale=3)
        self.assertIsNone(report["published"])
        self.assertIn("no row of guidance 3", text)
        self.assertIn("fid\t12.5\t-\n", self.read("report.tsv"))

    def test_another_network_is_not_compared(self):
        _, text = self.report(network="squeezenet-1.1")
        self.assertEqual(self.read("report.tsv").splitlines()[1], "fd-squeezenet-1.1\t5000\t-")
        self.assertIn("Fréchet distance (squeezenet-1.1) is not FID", text)
        self.assertIn("precision\t0.5\t-", self.read("report.tsv"))

    def test_a_log_without_settings(self):
        synthetic.write(self.path("metrics.json"), json.dumps(synthetic.metrics("inception-v3", 0)))
        synthetic.write_log(self.path("samples.jsonl"), synthetic.stage(images=900))
        message = self.fails("reproduction.py", self.path("report.json"), "--metrics", self.path("metrics.json"),
                             "--samples", self.path("samples.jsonl"), *MODEL)
        self.assertIn("expected what eval-metrics and sample write", message)


class PlotTests(Folder):
    def plots(self, network, **columns):
        rows = [{"name": name, **{column: {"values": [value]} for column, value in values.items()}}
                for name, values in columns["rows"].items()]
        synthetic.write(self.path("sweep.json"), json.dumps({"network": network, "rows": rows}))
        synthetic.run("guidance_plot.py", self.path("sweep.json"), *MODEL, "--output", self.path("plot"))
        return {name: ElementTree.fromstring(self.read(f"plot-{name}.svg"))
                for name in ("fid", "is") if os.path.exists(self.path(f"plot-{name}.svg"))}

    def circles(self, picture):
        return len(picture.findall("{http://www.w3.org/2000/svg}circle"))

    def test_beside_the_published_figures(self):
        plots = self.plots("inception-v3", rows={"2": {"fd-*": 5.5, "is-*": 190}, "1.5": {"fd-*": 9, "is-*": 120}})
        # Two of ours and six of Table 8.
        self.assertEqual([self.circles(plots[name]) for name in ("fid", "is")], [8, 8])
        self.assertIn("LlamaGen, Table 8", self.read("plot-fid.svg"))

    def test_another_network_stands_alone(self):
        plots = self.plots("pixels", rows={"2": {"fd-*": 5.5}, "1.5": {"fd-*": 9}})
        self.assertEqual(list(plots), ["fid"])
        self.assertEqual(self.circles(plots["fid"]), 2)
        self.assertIn("Fréchet distance (pixels) over guidance", self.read("plot-fid.svg"))
