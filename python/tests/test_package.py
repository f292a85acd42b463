"""The package itself: one version, one list of names, types."""

import ast
import importlib.util
import re
import subprocess
import sys
import unittest

import tessera_files
from support import REPOSITORY
from tessera_files import tools


class PackageTests(unittest.TestCase):
    def test_the_version_is_that_of_the_tools(self):
        tools = (REPOSITORY / "Sources/CommandLine/ToolRuntime/ToolVersion.swift").read_text()
        self.assertIn(f'toolVersion = "{tessera_files.__version__}"', tools)
        citation = (REPOSITORY / "CITATION.cff").read_text()
        self.assertEqual(re.search(r"^version: (.*)$", citation, re.MULTILINE)[1], tessera_files.__version__)

    def test_names_are_listed_once_for_readers_and_once_for_loading(self):
        tree = ast.parse((REPOSITORY / "python/tessera_files/__init__.py").read_text())
        imported = {name.name: node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)
                    and node.level == 1 for name in node.names}
        self.assertEqual({**tessera_files._MODULE_OF, "__version__": "version"}, imported)
        self.assertEqual(sorted(imported), sorted(tessera_files.__all__))
        for name in tessera_files.__all__:
            self.assertIsNotNone(getattr(tessera_files, name))

    def test_flags_that_can_be_turned_off_are_those_of_the_tools(self):
        texts = [path.read_text() for path in (REPOSITORY / "Tests/Snapshots").glob("*.txt")]
        flags = {flag for text in texts for flag in re.findall(r"(--[a-z0-9-]+)/--no-", text)}
        self.assertEqual(flags | {"--provenance"}, tools.NEGATABLE)
        self.assertEqual(list(tools._words({"l2_norm": False, "quiet": False, "refine": True, "order": None})),
                         ["--no-l2-norm", "--refine"])

    @unittest.skipUnless(importlib.util.find_spec("mypy"), "needs mypy")
    def test_types(self):
        ended = subprocess.run([sys.executable, "-m", "mypy", "--cache-dir=/dev/null"], cwd=REPOSITORY / "python",
                               capture_output=True, text=True, check=False)
        self.assertEqual(ended.returncode, 0, ended.stdout + ended.stderr)


if __name__ == "__main__":
    unittest.main()
