"""Files that go from the package to the tools and back, and tools run from Python."""

import io
import json
import os
import pickle
import subprocess
import time
import unittest
import zlib

import numpy as np
import tessera_files
from support import Folder, needs_tools, random_model, tokens
from tessera_files import run, stream
from tessera_files.header import encode_header
from test_container import CORPUS


def png(shade):
    """A grey picture of 8 x 8 pixels."""
    def chunk(kind, data):
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")
    rows = (b"\0" + bytes([shade, shade, 255 - shade]) * 8) * 8
    head = bytes([0, 0, 0, 8, 0, 0, 0, 8, 8, 2, 0, 0, 0])
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def record_bytes(path):
    """The decompressed content of a file."""
    return subprocess.run(["zstd", "-dcq", path], stdout=subprocess.PIPE, check=True).stdout


def encoded(record, *, promised):
    """A record as this package encodes it."""
    head, order = encode_header({**record.metadata, **({"end_mark": "required"} if promised else {})}, record.infos)
    return head + b"".join(bytes(record.tensors[info.name].data) for info in order)


@needs_tools
class RoundTripTests(Folder):
    def setUp(self):
        super().setUp()
        # The codebook's hash of the tokenizer is that of tokens and models here.
        self.tokenizer = random_model("tokenizer")
        tessera_files.write_model(self.path("tokenizer.zst"), self.tokenizer)
        self.hash = tessera_files.codebook_sha256(self.tokenizer.codebook)

    def images(self):
        for index in range(40):
            folder = self.folder / "images" / ("dark" if index < 20 else 'bright "é" 10')
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{index}.png").write_bytes(png(6 * index))
        return self.path("images")

    def test_the_tools_read_what_python_writes(self):
        for kind in ("ar-model", "fine-model", "tokenizer"):
            tessera_files.write_model(self.path("m.zst"), random_model(kind))
            self.assertIn(f"kind: {kind}", run("show-file", self.path("m.zst")).text)
        whole = tokens(5)
        tessera_files.write_tokens(self.path("t.zst"), whole, images_per_record=2)
        lines = run("show-file", self.path("t.zst"), tensor="tokens").text.splitlines()
        shown = [int(word) for line in lines if line[0] != "#" for word in line.split()]
        self.assertEqual(shown, whole.tokens.reshape(-1).tolist())
        self.assertEqual(json.loads(run("show-file", self.path("t.zst"), json=True).output)["items"], 5)

    def test_the_tools_work_with_it(self):
        model = random_model(codebook_sha256=self.hash)
        tessera_files.write_model(self.path("m.zst"), model)
        run("sample", model=self.path("m.zst"), count=7, quiet=True, output=self.path("s.zst"))
        drawn = tessera_files.read_tokens(self.path("s.zst"))
        self.assertEqual(drawn.tokens.shape, (7, 1, 6))
        self.assertEqual(drawn.header.class_names, ("a", "b", "c"))
        order = np.random.default_rng(1).permutation(16)
        mapping = tessera_files.Mapping.permutation(order, self.hash, "b" * 64, cluster_size=4)
        tessera_files.write_mapping(self.path("map.zst"), mapping)
        run("relabel-tokens", self.path("s.zst"), mapping=self.path("map.zst"), output=self.path("r.zst"))
        np.testing.assert_array_equal(tessera_files.read_tokens(self.path("r.zst")).tokens, order[drawn.tokens])
        run("detokenize", self.path("s.zst"), tokenizer=self.path("tokenizer.zst"), grid=self.path("grid.png"))
        self.assertTrue((self.folder / "grid.png").read_bytes().startswith(b"\x89PNG"))

    def test_features_and_statistics(self):
        values = np.random.default_rng(0).standard_normal((200, 4))
        tessera_files.write_features(self.path("f.zst"), tessera_files.Features(values.astype(np.float32)))
        tessera_files.write_features(self.path("s.zst"), tessera_files.Statistics.of_features(values))
        ended = run("eval-metrics", reference=self.path("s.zst"), samples=self.path("f.zst"), metrics="fid", json=True)
        distances = [value for name, value in ended.summary["metrics"].items() if name.startswith("fd-")]
        self.assertEqual(len(distances), 1, ended.summary)
        self.assertLess(abs(distances[0]), 1e-3)

    def test_python_reads_what_the_tools_write(self):
        run("tokenize", self.images(), tokenizer=self.path("tokenizer.zst"), views="flip", output=self.path("t.zst"))
        whole = tessera_files.read_tokens(self.path("t.zst"))
        self.assertEqual(whole.tokens.shape, (40, 2, 16))
        self.assertEqual(whole.header.class_names, ('bright "é" 10', "dark"))
        self.assertEqual(np.bincount(whole.labels).tolist(), [20, 20])
        record = tessera_files.read_record(self.path("t.zst"))
        self.assertEqual([entry["tool"] for entry in record.provenance], ["tokenize"])
        run("train-ar", self.path("t.zst"), model="CPU-tiny", steps=4, batch_size=4, quiet=True, checkpoint_every=2,
            keep_checkpoint=True, log=self.path("log.jsonl"), output=self.path("m.zst"))
        model = tessera_files.read_model(self.path("m.zst"))
        self.assertEqual(model.config["vocab_size"], 16)
        checkpoint = tessera_files.read_checkpoint(self.path("m.zst.checkpoint"))
        self.assertEqual(checkpoint.step, 4)
        log = tessera_files.read_log(self.path("log.jsonl"))
        for text in (b"\xff\xfe\n", b"no\n", b"[1, 2]\n", b"5\n", b'{"summary": 3}\n'):
            (self.folder / "bad.jsonl").write_bytes(b'{"step": 1, "loss": 2}\n' + text)
            error = self.assert_defect("headerNotJSON", tessera_files.read_log, self.path("bad.jsonl"))
            self.assertIn("line 2", str(error))
        self.assertEqual(sorted(log.curves["token_loss"]), [1, 2, 3, 4])
        self.assertEqual(log.summary["steps"], 4)
        run("rearrange-codebook", self.path("tokenizer.zst"), cluster_size=4, mapping=self.path("map.zst"),
            output=self.path("rearranged.zst"))
        mapping = tessera_files.read_mapping(self.path("map.zst"))
        rearranged = tessera_files.read_model(self.path("rearranged.zst"))
        np.testing.assert_array_equal(rearranged.codebook, self.tokenizer.codebook[mapping.inverse])
        self.equal_bytes("t.zst", "m.zst", "map.zst", "rearranged.zst")

    def equal_bytes(self, *names):
        """A record of a tool, read and encoded again, has the bytes that the tool wrote."""
        for name in names:
            record = tessera_files.read_record(self.path(name))
            stored = record_bytes(self.path(name))
            self.assertEqual(encoded(record, promised=b'"end_mark":' in stored), stored, name)
        again = tessera_files.read_tokens(self.path("t.zst")).record()
        self.assertEqual(encoded(again, promised=True), record_bytes(self.path("t.zst")))
        for name in ("m.zst", "rearranged.zst"):
            again = tessera_files.read_model(self.path(name)).record()
            self.assertEqual(encoded(again, promised=False)[8:], record_bytes(self.path(name))[8:], name)

    def test_a_damaged_file_is_the_same_error(self):
        # Place and defect are those of the tool's message; only the words for what was found may differ.
        for path in sorted(CORPUS.glob("[!mv]*.*"))[::4]:
            with self.subTest(path.name):
                with self.assertRaises(tessera_files.FormatError) as own:
                    list(tessera_files.read_records(path))
                with self.assertRaises(tessera_files.DataError) as tool:
                    run("show-file", path)
                place = str(own.exception).split("; expected")[0]
                self.assertIn(f"show-file: {place}; expected", str(tool.exception))


@needs_tools
class RunTests(Folder):
    def failure(self, kind, *arguments, **options):
        with self.assertRaises(kind) as caught:
            run(*arguments, **options)
        return caught.exception

    def test_each_exit_code_is_a_class(self):
        tessera_files.write_model(self.path("m.zst"), random_model())
        tessera_files.write_tokens(self.path("t.zst"), tokens())
        self.assertEqual(self.failure(tessera_files.UsageError, "sample").exit_code, 64)
        error = self.failure(tessera_files.InputError, "show-file", self.path("none"))
        self.assertEqual((error.exit_code, error.file), (66, self.path("none")))
        error = self.failure(tessera_files.DataError, "sample", model=self.path("t.zst"), output=self.path("o"))
        self.assertEqual(error.exit_code, 65)
        self.assertTrue(error.file.startswith(self.path("t.zst")), error.file)
        self.assertEqual((error.expected, error.found), ("a file of kind ar-model", "tokens"))
        self.assertIsNotNone(error.hint)
        error = self.failure(tessera_files.OutputError, "sample", model=self.path("m.zst"),
                             output=self.path("no/such/folder"))
        self.assertEqual(error.exit_code, 73)
        copy = pickle.loads(pickle.dumps(error))
        self.assertEqual((type(copy), str(copy)), (type(error), str(error)))

    def test_options(self):
        tessera_files.write_model(self.path("m.zst"), random_model())
        drawn = run("sample", model=self.folder / "m.zst", per_class=2, guidance=-1.5, quiet=True, json=False,
                    fine=None)
        with open(self.path("o"), "wb") as file:
            file.write(drawn.output)
        self.assertEqual(len(tessera_files.read_tokens(self.path("o"))), 6)
        for given in (drawn.output, bytearray(drawn.output), io.BytesIO(drawn.output)):
            shown = run("show-file", "-", input=given, json=True)
            self.assertEqual(shown.summary["items"], 6)
        with open(self.path("o"), "rb") as file:
            self.assertEqual(run("show-file", "-", input=file, json=True).summary["items"], 6)

    def test_streams(self):
        tessera_files.write_model(self.path("m.zst"), random_model())
        with stream("sample", model=self.path("m.zst"), count=5) as output:
            self.assertEqual(sum(map(len, tessera_files.iterate_tokens(output))), 5)
        with self.assertRaises(tessera_files.InputError), stream("sample", model=self.path("none")) as output:
            list(tessera_files.iterate_tokens(output))
        # Not read to its end, which is no error.
        with stream("sample", model=self.path("m.zst"), count=5) as output:
            self.assertEqual(output.read(4), b"\x28\xb5\x2f\xfd")
        with self.assertRaises(KeyError), stream("sample", model=self.path("m.zst"), count=5):
            raise KeyError("of the program's own")

    def test_an_exception_of_the_block_does_not_wait_for_the_tool(self):
        tessera_files.write_model(self.path("m.zst"), random_model())
        start = time.monotonic()
        with self.assertRaises(KeyError), stream("sample", model=self.path("m.zst"), count=1 << 20, quiet=True):
            raise KeyError
        self.assertLess(time.monotonic() - start, 30)

    def test_a_place_may_come_before_what_was_expected(self):
        error = tessera_files.tools.tool_error("t", 65, "t: f.jsonl: line 2: expected a; found b: c; try: d\n")
        self.assertEqual((error.file, error.expected, error.found, error.hint), ("f.jsonl", "a", "b: c", "d"))

    def test_a_signal(self):
        from tessera_files.tools import tool_error
        self.assertEqual(tool_error("sample", -15, "").exit_code, 143)
        self.assertIsInstance(tool_error("sample", -15, ""), tessera_files.EndedBySignal)


class FindTests(Folder):
    def test_no_such_tool(self):
        with self.assertRaises(tessera_files.ToolNotFound) as caught:
            run("sample", folder=self.folder)
        self.assertIn(str(self.folder), str(caught.exception))
        os.environ["TESSERA_BIN"] = str(self.folder)
        self.assertRaises(tessera_files.ToolNotFound, run, "sample")


if __name__ == "__main__":
    unittest.main()
