"""What a run has left in its folder: report, settings, curves, pictures, provenance."""

import json
import os

import losses


class Run:
    """The results of one run of a pipeline, in the folder that OUT named."""

    def __init__(self, folder, name=None):
        self.folder = folder
        self.name = name or os.path.basename(os.path.abspath(folder))
        self.report = json.loads(read(os.path.join(folder, "report.json")))
        self.figures = self.report["figures"]
        self.pictures = {os.path.basename(path): self.resolve(path) for path in self.report["pictures"]}
        self.shared = os.path.dirname(self.pictures.get("reconstructions.png", folder)) or folder
        provenance = os.path.join(folder, "provenance.txt")
        self.provenance = read(provenance).strip() if os.path.exists(provenance) else None

    def resolve(self, path):
        """A picture's place. Paths in a report begin where make ran, which may be elsewhere."""
        return path if os.path.exists(path) else os.path.join(self.folder, os.path.basename(path))

    @property
    def is_coarse_to_fine(self):
        return "fine" in self.report

    def settings(self):
        """{stage: options}, in the order of the stages."""
        found = {}
        for folder in (self.shared, self.folder):
            for name in ("tokenizer", "codebook", "model", "fine", "sample", "metrics", "network", "understanding"):
                path = os.path.join(folder, "settings", name)
                if name not in found and os.path.exists(path):
                    found[name] = read(path).strip()
        return {name: words for name, words in found.items() if words}

    def seed(self):
        """The seed of the samples, as the settings have it."""
        words = self.settings().get("sample", "").split()
        return words[words.index("--seed") + 1] if "--seed" in words[:-1] else None

    def curves(self, stage):
        """Curves and unigram entropy of the stage `model` or `fine`; empty where its log is gone."""
        path = os.path.join(self.folder, "logs", f"{stage}.jsonl")
        return losses.read(path) if os.path.exists(path) else ({}, None)


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()
