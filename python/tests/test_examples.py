"""The examples: each is run, in Python and in R, and R reads the numbers that were written."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import unittest

import numpy as np
import tessera_files
from support import REPOSITORY, Folder, random_model, tokens

EXAMPLES = REPOSITORY / "examples"


def has_r():
    return shutil.which("Rscript") is not None and subprocess.run(
        ["Rscript", "-e", "library(jsonlite)"], capture_output=True, check=False).returncode == 0


class PythonExamples(Folder):
    def example(self, name, *arguments):
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "python")}
        ended = subprocess.run([sys.executable, EXAMPLES / name, *arguments], capture_output=True, text=True,
                               check=False, env=environment)
        self.assertEqual(ended.returncode, 0, ended.stderr)
        return ended.stdout

    @unittest.skipUnless(importlib.util.find_spec("matplotlib"), "needs matplotlib")
    def test_plot_losses(self):
        lines = [{"step": step, "token_loss": 5 / step} for step in range(1, 9)] + [{"step": 8, "held_out_loss": 1.5}]
        (self.folder / "model.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        self.example("plot_losses.py", self.path("model.jsonl"), "--output", self.path("losses.svg"))
        drawn = (self.folder / "losses.svg").read_text()
        self.assertGreaterEqual(drawn.count('id="line2d'), 2)

    def test_look_at_codebook(self):
        model = random_model("tokenizer")
        tessera_files.write_model(self.path("tokenizer.zst"), model)
        codes = model.codebook / np.linalg.norm(model.codebook, axis=1, keepdims=True)
        whole = tokens(codebook_sha256=tessera_files.codebook_sha256(model.codebook))
        tessera_files.write_tokens(self.path("t.zst"), whole)
        printed = self.example("look_at_codebook.py", self.path("tokenizer.zst"), "--tokens", self.path("t.zst"))
        distances = np.linalg.norm(codes[:, None] - codes[None], axis=2) + 9 * np.eye(16)
        self.assertIn(f"mean {distances.min(1).mean():.4f}\n", printed)
        self.assertIn(f", {distances.min():.4f}\n", printed)
        self.assertIn(f"used codes: {len(np.unique(whole.tokens))},", printed)

    def test_write_tokens(self):
        tessera_files.write_model(self.path("tokenizer.zst"), random_model("tokenizer"))
        values = np.random.default_rng(0).integers(0, 16, (2050, 3, 2))
        np.save(self.path("tokens.npy"), values)
        np.save(self.path("labels.npy"), np.arange(2050) % 4)
        self.example("write_tokens.py", self.path("tokens.npy"), self.path("labels.npy"), "--tokenizer",
                     self.path("tokenizer.zst"), "--output", self.path("own.zst"))
        found = tessera_files.read_tokens(self.path("own.zst"))
        np.testing.assert_array_equal(found.tokens.reshape(values.shape), values)
        self.assertEqual((found.header.rows, found.header.columns, found.header.num_classes), (3, 2, 4))


@unittest.skipUnless(has_r(), "needs R with jsonlite")
class RExample(Folder):
    def read(self, path):
        command = ["Rscript", EXAMPLES / "read_records.R", path]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def test_tokens(self):
        whole = tokens(5)
        tessera_files.write_tokens(self.path("t.zst"), whole, images_per_record=3)
        ended = self.read(self.path("t.zst"))
        self.assertEqual(ended.returncode, 0, ended.stderr)
        expected = [f"tokens; labels [{len(part)}] {whole.labels[part].sum()}; "
                    f"tokens [{len(part)}, 2, 6] {whole.tokens[part].sum()}\n" for part in ([0, 1, 2], [3, 4])]
        self.assertEqual(ended.stdout, "".join(expected))

    def test_every_type_and_order(self):
        values = {"I8": [-128, 127], "U8": [0, 255], "I16": [-2**15, 5], "U16": [0, 65535], "I32": [-2**31, 7],
                  "U32": [2**31, 2**32 - 1], "I64": [-2**40, 3], "U64": [2**40, 1], "F16": [0.5, -65504],
                  "F32": [1.5, -2], "F64": [0.1, 3], "BOOL": [True, False]}
        codes = {"I": "i", "U": "u", "F": "f"}
        arrays = {name: np.array(pair, "?" if name == "BOOL" else codes[name[0]] + str(int(name[1:]) // 8))
                  for name, pair in values.items()}
        arrays["order"] = np.arange(6, dtype="i4").reshape(2, 3)
        record = tessera_files.Record.of({"kind": "features"}, arrays)
        record.tensors["BF16"] = tessera_files.Tensor.bfloat16("BF16", np.array([1.5, -0.0078125], np.float32))
        values["BF16"] = [1.5, -0.0078125]
        tessera_files.write_records(self.path("a.zst"), [record])
        code = (f'source("{EXAMPLES}/read_records.R"); r <- read_records("{self.path("a.zst")}")[[1]]$tensors; '
                'for (n in names(r)) cat(n, format(as.numeric(r[[n]]), digits = 17), "\\n"); '
                'cat("place", r$order[3, 1], r$order[1, 2], "\\n")')
        ended = subprocess.run(["Rscript", "-e", code], capture_output=True, text=True, check=False)
        self.assertEqual(ended.returncode, 0, ended.stderr)
        found = {line.split()[0]: [float(word) for word in line.split()[1:]] for line in ended.stdout.splitlines()}
        for name, pair in values.items():
            self.assertEqual(found[name], [float(one) for one in pair], name)
        self.assertEqual(found["place"], [2, 3])

    def test_files_that_are_cut(self):
        corpus = REPOSITORY / "Tests" / "Corpus"
        for name in ("truncatedFrame.in-the-data.zst", "missingEndMark.two-records.zst",
                     "missingEndMark.one-promised.zst", "truncatedRecord.in-the-data.zst",
                     "truncatedRecord.plain.safetensors",
                     "checksumMismatch.one-bit.zst"):
            self.assertNotEqual(self.read(corpus / name).returncode, 0, name)
        for name in ("valid.plain.safetensors", "valid.foreign-one-record.zst", "valid.no-records.zst"):
            ended = self.read(corpus / name)
            self.assertEqual(ended.returncode, 0, name + ended.stderr)


if __name__ == "__main__":
    unittest.main()
