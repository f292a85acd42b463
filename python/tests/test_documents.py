"""The code of docs/languages.md runs, and docs/formats.md's worked example is what the package writes."""

import contextlib
import importlib.util
import io
import os
import re
import shutil
import subprocess
import unittest

import numpy as np
import tessera_files
from support import HASH, REPOSITORY, TOOLS, Folder, tokens
from tessera_files.header import encode_header


def blocks(page, mark):
    """The fenced blocks that are marked with a word."""
    text = (REPOSITORY / "docs" / page).read_text()
    return re.findall(rf"^```{re.escape(mark)}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def dump(lines):
    return bytes.fromhex("".join(line[6:53] for line in lines.splitlines()))


class LanguagesTests(Folder):
    def setUp(self):
        super().setUp()
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(self.folder)
        tessera_files.write_tokens("emoji.tokens.zst", tokens(9))
        self.names = {}

    def execute(self, mark):
        """Runs all blocks of a mark; what they print."""
        found = blocks("languages.md", mark)
        self.assertTrue(found, mark)
        with contextlib.redirect_stdout(io.StringIO()) as output:
            for code in found:
                exec(code, self.names)
        return output.getvalue()

    def test_python(self):
        printed = self.execute("python")
        self.assertIn("(9, 2, 6)", printed)
        self.assertIn("Defect.WRONG_KIND 0 own.tokens.zst: record 0", printed)
        self.assertEqual(len(tessera_files.read_tokens("own.tokens.zst")), 100)

    @unittest.skipUnless(importlib.util.find_spec("torch"), "needs torch")
    def test_torch(self):
        self.execute("python")
        self.assertIn("torch.Size([32, 64]) torch.int64 torch.Size([32])", self.execute("python torch"))

    @unittest.skipUnless((TOOLS / "show-file").exists(), "needs the built tools: make build")
    def test_tools(self):
        self.execute("python")
        self.assertIn("66 missing.zst", self.execute("python tools"))
        self.assertEqual((len(tessera_files.read_tokens("drawn.tokens.zst")), self.names["images"]), (6, 1000))

    @unittest.skipUnless(shutil.which("Rscript"), "needs R")
    def test_r(self):
        self.execute("python")
        code, = blocks("languages.md", "r")
        os.symlink(REPOSITORY / "examples", "examples")
        ended = subprocess.run(["Rscript", "-e", code], capture_output=True, text=True, check=False)
        self.assertEqual(ended.returncode, 0, ended.stderr)
        self.assertRegex(ended.stdout, r" 0 +1 *\n *50 +50")

    def test_every_name_is_on_the_page(self):
        page = (REPOSITORY / "docs" / "languages.md").read_text()
        for name in tessera_files.__all__:
            if name not in ("Checkpoint", "Log", "Origin", "RecordWriter", "Result", "Tensor", "TensorInfo",
                            "ToolNotFound", "__version__"):
                self.assertIn(name, page)


class FormatsTests(unittest.TestCase):
    def test_the_worked_example(self):
        record, file = (dump(blocks("formats.md", f"hexdump {name}")[0]) for name in ("record", "file"))
        about = tessera_files.TokenHeader(4, 1, 2, HASH, 2)
        made = tessera_files.Tokens(about, np.array([[[3, 0]]]), np.array([1])).record()
        head, order = encode_header({**made.metadata, "end_mark": "required"}, made.infos)
        self.assertEqual(head + b"".join(bytes(made.tensors[info.name].data) for info in order), record)
        found = tessera_files.read_tokens(io.BytesIO(file))
        self.assertEqual((found.header, found.tokens.tolist(), found.labels.tolist()), (about, [[[3, 0]]], [1]))


if __name__ == "__main__":
    unittest.main()
