"""Mapping files that coarse-labels.py writes, and what it refuses. A stand-in plays show-file."""

import hashlib
import json
import os
import stat
import struct
import sys
import unittest
from unittest import mock

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import synthetic
from test_reports import Folder

STAND_IN = """#!/bin/sh
if [ "$1" = --tensor ]; then printf '# record 0: old_to_new U32 [6]\\n{places}\\n'; else echo '  {line}'; fi
"""


class CoarseLabelTests(Folder):
    def labels(self, places, codes_per_label, line="source_codebook_sha256: " + "a" * 64):
        """Metadata and labels of the mapping that comes of an order."""
        tool = self.path("show-file")
        synthetic.write(tool, STAND_IN.format(places=" ".join(map(str, places)), line=line))
        os.chmod(tool, os.stat(tool).st_mode | stat.S_IXUSR)
        output = self.path("coarse.safetensors")
        with mock.patch.dict(os.environ, PATH=self.temporary.name + os.pathsep + os.environ["PATH"]):
            synthetic.run("coarse-labels.py", "mapping", "--codes-per-label", str(codes_per_label), "--output", output)
        with open(output, "rb") as file:
            data = file.read()
        length, = struct.unpack("<Q", data[:8])
        self.assertEqual(length % 8, 0)
        header = json.loads(data[8:8 + length])
        self.assertEqual(header["fine_to_coarse"]["data_offsets"], [0, len(data) - 8 - length])
        return header["__metadata__"], list(struct.unpack(f"<{len(places)}I", data[8 + length:]))

    def test_neighbours_share_a_label(self):
        metadata, labels = self.labels([5, 0, 1, 4, 2, 3], 2)
        self.assertEqual(labels, [2, 0, 0, 2, 1, 1])
        self.assertEqual((metadata["kind"], metadata["coarse_count"]), ("mapping", "3"))
        expected = hashlib.sha256(b"a" * 64 + struct.pack("<6I", *labels)).hexdigest()
        self.assertEqual(metadata["target_codebook_sha256"], expected)

    def test_number_that_does_not_divide(self):
        with self.assertRaises(SystemExit) as caught:
            self.labels([0, 1, 2, 3, 4, 5], 4)
        self.assertIn("expected --codes-per-label that divides the 6 codes; found 4", str(caught.exception.code))

    def test_file_of_another_kind(self):
        with self.assertRaises(SystemExit) as caught:
            self.labels([0, 1], 1, line="kind: tokens")
        self.assertIn("expected a mapping of rearrange-codebook", str(caught.exception.code))


if __name__ == "__main__":
    unittest.main()
