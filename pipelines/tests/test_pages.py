"""Pages of made-up runs: well-formed, complete, and in need of nothing else."""

import os
import re
import sys
import unittest
from html.parser import HTMLParser

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import synthetic
from pages.chart import ticks
from pages.html_parts import duration, number
from pages.several_runs import options_of
from report_page import names_of
from test_reports import Folder

VOID = {"meta", "link", "img", "br", "hr", "input"}


class NameTests(unittest.TestCase):
    def test_the_parts_that_differ(self):
        for folders, names in [
            (["out/quickstart", "out/iar"], ["quickstart", "iar"]), (["out/iar"], ["iar"]),
            (["o/iar/1.5/seed-0", "o/ctf/2/seed-0"], ["iar/1.5", "ctf/2"]),
            (["o/x/seed-0", "o/x/seed-1"], ["seed-0", "seed-1"]), (["a/b/c", "b/c"], ["a/b/c", "b/c"]),
        ]:
            self.assertEqual(names_of(folders), names)


class Page(HTMLParser):
    """Elements of a page, of which each must be closed in the order in which they were opened."""

    def __init__(self, source):
        super().__init__()
        self.open, self.text, self.pictures, self.elements = [], [], [], []
        self.feed(source)
        assert not self.open, self.open

    def handle_starttag(self, tag, attributes):
        self.elements.append(tag)
        if tag == "img":
            self.pictures.append(dict(attributes))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append(tag)

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open}"
        self.open.pop()

    def handle_data(self, data):
        self.text.append(data)


class PageTests(Folder):
    def page(self, *names, **options):
        """The page about made-up runs, and its source."""
        for name in names:
            self.make(name, method=name.split("/")[0], **options)
        synthetic.run("report_page.py", *map(self.path, names), "--output", self.path("page.html"))
        source = self.read("page.html")
        self.assertIsNone(re.search(r'(src|href)="(?!data:)|url\(|@import|<script', source))
        return Page(source), source

    def test_page_of_one_run(self):
        page, source = self.page("iar")
        words = " ".join(page.text)
        self.assertEqual(len(page.pictures), 3)
        for picture in page.pictures:
            self.assertTrue(picture["src"].startswith("data:image/png;base64,iVBORw0KGgo"))
            self.assertEqual((picture["width"], picture["height"]), ("512", "128"))
        self.assertEqual(page.elements.count("polyline"), 4)
        for wanted in ["Run iar", "FID", "sFID", "Inception score", "101.5 ± 2.5", "--steps", "data/emoji",
                       "inception-v3, some resize; float64", "0123456789abcdef", "<images & more>", "SHA-256",
                       "200 MB"]:
            self.assertIn(wanted, words)
        self.assertIn("&lt;images &amp; more&gt;", source)

    def test_page_of_two_models(self):
        page, _ = self.page("ctf", network="pixels")
        self.assertIn("codes given the coarse labels", " ".join(page.text))
        self.assertIn("Fréchet distance (pixels)", " ".join(page.text))

    def test_page_without_metrics_and_provenance(self):
        arguments = synthetic.make_run(self.path("iar"))
        for part in ("training", "held-out", "reconstructions", "tokenizer"):
            os.remove(self.path("iar", "metrics", f"{part}.json"))
        os.remove(self.path("iar", "provenance.txt"))
        synthetic.run("report.py", *arguments)
        synthetic.run("report_page.py", self.path("iar"), "--output", self.path("page.html"))
        words = " ".join(Page(self.read("page.html")).text)
        self.assertIn("The metrics were not computed", words)
        self.assertIn("has no file provenance.txt", words)

    def test_page_of_several_runs(self):
        page, source = self.page("llamagen-baseline", "iar", "ctf")
        words = " ".join(page.text)
        self.assertIn("3 runs side by side", words)
        self.assertIn("All samples were drawn with seed 0.", words)
        # Two runs of one model have equal losses and times; those of CTF's two models are larger.
        self.assertEqual(source.count('class="best"'), 4)
        self.assertIn("Options that all runs have", words)

    def test_other_seeds_are_said(self):
        self.make("a", seed=0)
        self.make("b", seed=1)
        synthetic.run("report_page.py", self.path("a"), self.path("b"), "--output", self.path("page.html"))
        self.assertIn("a has 0, b has 1", self.read("page.html"))

    def test_runs_that_cannot_be_compared(self):
        self.make("a")
        self.make("b", network="pixels")
        arguments = [self.path("a"), self.path("b"), "--output", self.path("page.html")]
        self.assertIn("are of one network", self.fails("report_page.py", *arguments))
        self.assertIn("expected folders of finished runs", self.fails("report_page.py", self.path("c"), *arguments[1:]))


class PartTests(unittest.TestCase):
    def test_numbers(self):
        shown = [number(value) for value in (None, 3472, 12345.6, 5.7847, 0)]
        self.assertEqual(shown, ["–", "3,472", "12,346", "5.785", "0"])
        shown = [duration(value) for value in (3723, 60, 0.25, None)]
        self.assertEqual(shown, ["1 h 2 min 3 s", "1 min", "0.25 s", "–"])

    def test_ticks(self):
        self.assertEqual(ticks(0, 1500), [0, 500, 1000, 1500])
        self.assertEqual(ticks(2, 9.7), [2, 4, 6, 8, 10])
        self.assertEqual(len(ticks(3, 3)) > 1, True)

    def test_options(self):
        self.assertEqual(options_of("data/emoji --size 32 --resume --seed 0"),
                         {"input": "data/emoji", "--size": "32", "--resume": "", "--seed": "0"})


if __name__ == "__main__":
    unittest.main()
