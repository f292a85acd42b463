"""The container: every file of Tests/Corpus, headers, memory, and files that appear whole or not at all."""

import io
import os
import pickle
import re
import subprocess
import sys
import threading
import time
import unittest
from unittest import mock

import numpy as np
import tessera_files
import zstandard
from support import HASH, REPOSITORY, Folder, tokens
from tessera_files.header import encode_record, parse_header
from tessera_files.streams import end_mark

CORPUS = REPOSITORY / "Tests" / "Corpus"


class CorpusTests(Folder):
    def test_every_file_gives_the_defect_of_its_name(self):
        files = sorted(path for path in CORPUS.iterdir() if path.suffix != ".py")
        self.assertGreater(len(files), 60)
        for path in files:
            defect = path.name.split(".")[0]
            with self.subTest(path.name):
                if defect == "valid":
                    list(tessera_files.read_records(path))
                else:
                    error = self.assert_defect(defect, list, tessera_files.read_records(path))
                    self.assertTrue(str(error).startswith(str(path)), str(error))
                    self.assertRegex(str(error), "; expected .+; found .+; try: .+")

    def test_headers_alone_give_the_same(self):
        for path in CORPUS.glob("*.zst"):
            defect = path.name.split(".")[0]
            if defect != "valid":
                with self.subTest(path.name):
                    self.assert_defect(defect, list, tessera_files.read_records(path, only=()))

    def test_valid_files_have_their_values(self):
        for path in CORPUS.glob("valid.*"):
            with self.subTest(path.name):
                records = list(tessera_files.read_records(path))
                if "no-records" in path.name:
                    self.assertEqual(records, [])
                    continue
                self.assertEqual(len(records), 3 if "shards" in path.name else 1)
                for record in records:
                    self.assertEqual(record["x"].tolist(), [[97, 98], [99, 100]])
                    self.assertEqual(record.metadata.get("kind"), None if "promise" in path.name else "mapping")
                    self.assertLessEqual(set(record.metadata), {"kind", "shard", "provenance"})

    def test_defects_are_those_of_the_tools(self):
        text = (REPOSITORY / "Sources/Files/StreamFormat/Container/FormatError.swift").read_text()
        names = re.findall(r"^    case (\w+)$", text, re.MULTILINE)
        self.assertEqual(names, [defect.value for defect in tessera_files.Defect])


class HeaderTests(Folder):
    def parse(self, text):
        return parse_header(text, tessera_files.Origin("made-up"))

    def test_two_halves_of_a_character(self):
        self.assertEqual(self.parse(b'{"__metadata__":{"a":"\\ud83e\\udd80"}}')[0], {"a": "\N{CRAB}"})

    def test_64_levels_and_no_more(self):
        def nested(levels):
            return (b'{"x":{"dtype":"U8","shape":[0],"data_offsets":[0,0],"more":' + b"[" * levels + b"]" * levels
                    + b"}}")
        self.parse(nested(63))
        self.assert_defect("headerNotJSON", self.parse, nested(64))

    def test_many_tensors_take_linear_time(self):
        def seconds(count):
            record = encode_record({}, {f"t{i}": ("U8", (1,), b"x") for i in range(count)})
            best = 1e9
            for _ in range(3):
                start = time.process_time()
                self.parse(record[8:8 + int.from_bytes(record[:8], "little")])
                best = min(best, time.process_time() - start)
            return best
        # Eight times as many tensors: linear time is 8 times as long, quadratic time 64 times. A busy machine blurs it.
        self.assertLess(seconds(40_000), 32 * seconds(5_000))

    def test_words_that_json_does_not_have(self):
        for word in (b"NaN", b"Infinity", b"-Infinity"):
            text = b'{"x":{"dtype":"U8","shape":[0],"data_offsets":[0,0],"more":%s}}' % word
            self.assert_defect("headerNotJSON", self.parse, text)

    def test_needs_nothing_but_the_standard_library(self):
        code = ("import sys; sys.modules.update(numpy=None, zstandard=None); import tessera_files.header; "
                "from tessera_files import run, FormatError; print(tessera_files.header.encode_record({'a': 'b'}, {}))")
        ended = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": f"{REPOSITORY}/python"},
                               capture_output=True, text=True, check=True)
        self.assertIn('{"__metadata__":{"a":"b"}}', ended.stdout)


class StreamTests(Folder):
    def written(self, *records):
        stream = io.BytesIO()
        tessera_files.write_records(stream, records)
        return stream.getvalue()

    def record(self, count=4, kind="features"):
        return tessera_files.Record.of_kind(kind, {}, {"features": np.arange(float(count * 2)).reshape(count, 2)})

    def test_all_types_come_back(self):
        arrays = {code: np.array([[0, 1], [1, 0]], code) for code in
                  ("u1", "i1", "?", "u2", "i2", "f2", "u4", "i4", "f4", "u8", "i8", "f8", ">f4", ">u2")}
        arrays["scalar"] = np.array(2.5)
        arrays["empty"] = np.zeros((3, 0), "f4")
        arrays["strided"] = np.arange(12, dtype="i4").reshape(3, 4)[:, ::2]
        found, = tessera_files.read_records(io.BytesIO(self.written(tessera_files.Record.of({}, arrays))))
        for name, array in arrays.items():
            self.assertEqual(found[name].dtype, array.dtype.newbyteorder("="), name)
            np.testing.assert_array_equal(found[name], array)

    def test_bfloat16_is_rounded_to_the_nearest_and_ties_to_even(self):
        values = np.array([1, 1 + 2**-8, 1 + 3 * 2**-8, -1 - 2**-7, np.inf, np.nan, 1 + 2**-8 + 2**-20], np.float32)
        record = tessera_files.Record({}, {"x": tessera_files.Tensor.bfloat16("x", values)})
        found, = tessera_files.read_records(io.BytesIO(self.written(record)))
        self.assertEqual(found.tensors["x"].info.dtype, "BF16")
        np.testing.assert_array_equal(
            found["x"], np.array([1, 1, 1 + 2**-6, -1 - 2**-7, np.inf, np.nan, 1 + 2**-7], np.float32))

    def test_every_cut_is_noticed(self):
        whole = self.written(self.record(), self.record(3))
        for length in range(1, len(whole)):
            with self.assertRaises(tessera_files.FormatError):
                list(tessera_files.read_records(io.BytesIO(whole[:length])))

    def test_every_changed_byte_is_noticed_or_harmless(self):
        whole = self.written(self.record())
        expected, = tessera_files.read_records(io.BytesIO(whole))
        noticed = 0
        for place in range(len(whole)):
            changed = bytearray(whole)
            changed[place] ^= 1 << place % 8
            try:
                found, = tessera_files.read_records(io.BytesIO(changed))
                self.assertEqual(found["features"].tolist(), expected["features"].tolist())
            except tessera_files.FormatError:
                noticed += 1
        self.assertGreater(noticed, len(whole) * 9 // 10)

    def test_concatenations_and_foreign_frames(self):
        mark = end_mark(0, 0)
        parts = self.written(self.record()) + mark + b"\x53\x2a\x4d\x18\x03\0\0\0abc" + self.written(self.record(2))
        counts = [record.item_count for record in tessera_files.read_records(io.BytesIO(parts))]
        self.assertEqual(counts, [4, 2])

    def test_other_frames_of_zstd(self):
        content = encode_record({}, {"x": ("U8", (300_000,), bytes(300_000))})
        random = encode_record({}, {"x": ("U8", (300_000,), os.urandom(300_000))})
        for data in (content, random):
            for level in (-5, 1, 19):
                for options in ({}, {"write_content_size": False}, {"write_checksum": True}):
                    frame = zstandard.ZstdCompressor(level=level, **options).compress(data)
                    found, = tessera_files.read_records(io.BytesIO(frame))
                    self.assertEqual(bytes(found["x"]), data[-300_000:])

    def test_reads_small_pieces(self):
        class Slow(io.BytesIO):
            def read(self, size=-1):
                return super().read(min(size, 7))
        found = list(tessera_files.read_records(Slow(self.written(self.record(), self.record(2)))))
        self.assertEqual([len(record["features"]) for record in found], [4, 2])

    def test_only_some_tensors(self):
        data = self.written(tokens().record())
        record, = tessera_files.read_records(io.BytesIO(data), only=["labels"])
        self.assertEqual(record["labels"].shape, (5,))
        self.assertEqual(record.tensors["tokens"].info.shape, (5, 2, 6))
        self.assertRaises(ValueError, lambda: record["tokens"])

    def test_memory_is_bounded(self):
        # A gigabyte of zeros in 100 kB, passed over within 100 MB.
        path = self.path("large.zst")
        with open(path, "wb") as file:
            size = 1 << 30
            head = encode_record({}, {"x": ("U8", (0,), b"")})[8:].replace(b"[0]", b"[%d]" % size)
            head = head.replace(b"[0,0]", b"[0,%d]" % size).rstrip()
            frame = zstandard.ZstdCompressor().compressobj()
            file.write(frame.compress(len(head).to_bytes(8, "little") + head))
            for _ in range(size >> 20):
                file.write(frame.compress(bytes(1 << 20)))
            file.write(frame.flush())
        code = ("import resource, sys, tessera_files; import numpy; "
                "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss; "
                "record, = tessera_files.read_records(sys.argv[1], only=()); "
                "print(record.infos[0].shape[0], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)")
        ended = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True,
                               env={**os.environ, "PYTHONPATH": f"{REPOSITORY}/python"})
        found, kilobytes = map(int, ended.stdout.split())
        self.assertEqual(found, size)
        self.assertLess(kilobytes, 100_000)
        self.assertLess(os.path.getsize(path), 200_000)


class OutputTests(Folder):
    def test_a_failure_leaves_the_old_file_and_nothing_else(self):
        path = self.path("a.tokens.zst")
        tessera_files.write_tokens(path, tokens())
        before = (self.folder / "a.tokens.zst").read_bytes()

        def failing():
            yield tokens(seed=1)
            raise RuntimeError("no more")
        self.assertRaises(RuntimeError, tessera_files.write_tokens, path, failing())
        self.assertEqual(os.listdir(self.folder), ["a.tokens.zst"])
        self.assertEqual((self.folder / "a.tokens.zst").read_bytes(), before)

    def test_a_target_has_one_writer(self):
        target = self.path("r.zst")
        record = tessera_files.Record.of({"kind": "mapping"}, {"a": np.arange(3)})
        tessera_files.RecordWriter(target)  # Nothing is begun before the block.
        self.assertEqual(os.listdir(self.folder), [])
        with self.assertRaisesRegex(ValueError, "inside of its block"):
            tessera_files.RecordWriter(target).write(record)
        with tessera_files.RecordWriter(target) as writer:
            writer.write(record)
            with self.assertRaisesRegex(FileExistsError, "another name for each thread"):
                tessera_files.write_records(target, [record, record])
            self.assertEqual(len(os.listdir(self.folder)), 1)
        self.assertEqual(os.listdir(self.folder), ["r.zst"])
        again = tessera_files.RecordWriter(target)
        with self.assertRaises(KeyError), again:
            again.write(record)
            raise KeyError
        with again:
            again.write(record)
        np.testing.assert_array_equal(tessera_files.read_record(target)["a"], np.arange(3))

    def test_threads_write_whole_records(self):
        def write(number):
            for _ in range(3):
                writer.write(record(number))

        def record(number):
            # Random numbers, of which a frame is written in several parts.
            return tessera_files.Record.of({}, {"values": np.random.default_rng(number).random(100_000),
                                                "number": np.array(number)})
        with tessera_files.RecordWriter(self.path("r.zst")) as writer:
            threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        found = list(tessera_files.read_records(self.path("r.zst")))
        self.assertEqual(sorted(int(one["number"]) for one in found), sorted(list(range(8)) * 3))
        for one in found:
            np.testing.assert_array_equal(one["values"], record(int(one["number"]))["values"])

    def test_a_block_that_ends_lets_a_record_end(self):
        began, ended = threading.Event(), threading.Event()

        class Slow(io.BytesIO):
            def write(self, data):
                if threading.current_thread() is thread:
                    began.set()
                    ended.wait(0.2)
                return super().write(data)
        stream, record = Slow(), tessera_files.Record.of({}, {"a": np.arange(3)})
        with tessera_files.RecordWriter(stream) as writer:
            thread = threading.Thread(target=writer.write, args=(record,))
            thread.start()
            began.wait(10)
        thread.join()
        self.assertEqual(len(list(tessera_files.read_records(io.BytesIO(stream.getvalue())))), 1)

    def test_a_record_in_part_is_not_kept(self):
        class Full(io.BytesIO):
            def write(self, data):
                if is_full:
                    raise OSError("no space left")
                return super().write(data)
        record, is_full = tessera_files.Record.of({}, {"a": np.arange(3)}), True
        # As in a thread that nobody asks how it went.
        with self.assertRaisesRegex(ValueError, "in part"), tessera_files.RecordWriter(Full()) as writer:
            self.assertRaises(OSError, writer.write, record)
            is_full = False
            self.assertRaisesRegex(ValueError, "in part", writer.write, record)

    def test_a_record_that_cannot_be_written_leaves_nothing_of_it(self):
        whole = self.path("whole.zst")
        record = tessera_files.Record.of({}, {"a": np.random.default_rng(0).random(100_000), "b": np.arange(3)})
        tessera_files.write_records(whole, [record])
        lacking, = tessera_files.read_records(whole, only=("a",))
        with tessera_files.RecordWriter(self.path("r.zst")) as writer:
            self.assertRaisesRegex(ValueError, "left out", writer.write, lacking)
            writer.write(record)
        self.assertEqual(len(list(tessera_files.read_records(self.path("r.zst")))), 1)

    def test_a_writer_has_one_block(self):
        record = tessera_files.Record.of({}, {"a": np.arange(3)})
        with tessera_files.RecordWriter(self.path("r.zst")) as writer:
            writer.write(record)
            with self.assertRaisesRegex(ValueError, "a block already"), writer:
                pass
            writer.write(record)
        self.assertEqual(len(list(tessera_files.read_records(self.path("r.zst")))), 2)

    def test_a_file_keeps_its_mode(self):
        before = os.umask(0o022)
        self.addCleanup(os.umask, before)
        record = tessera_files.Record.of({"kind": "mapping"}, {"a": np.arange(3)})
        for write in (lambda path: tessera_files.write_records(path, [record]),
                      lambda path: tessera_files.write_plain(path, record)):
            for mode in (None, 0o600, 0o666):
                path = self.path(f"file-{mode}")
                if mode is not None:
                    (self.folder / path).touch()
                    os.chmod(path, mode)
                write(path)
                self.assertEqual(oct(os.stat(path).st_mode & 0o7777), oct(0o644 if mode is None else mode))
                os.unlink(path)

    def test_a_write_protected_file_stays(self):
        path = self.path("kept")
        (self.folder / path).write_bytes(b"old")
        os.chmod(path, 0o444)
        with self.assertRaisesRegex(PermissionError, "write-protected"):
            tessera_files.write_records(path, [tessera_files.Record.of({"kind": "mapping"}, {"a": np.arange(3)})])
        self.assertEqual((self.folder / path).read_bytes(), b"old")

    def test_nobody_else_may_read_a_private_file_while_it_is_written(self):
        path = self.path("private")
        os.close(os.open(path, os.O_CREAT, 0o600))
        modes = []

        def seen(*arguments):
            modes.extend(os.stat(self.path(name)).st_mode & 0o777 for name in os.listdir(self.folder))
        with mock.patch("os.fchmod", seen), tessera_files.RecordWriter(path):
            seen()
        self.assertEqual(set(modes), {0o600})

    def test_what_is_no_text_is_refused_by_name(self):
        for metadata in ({"epochs": 3}, {"kind": None}):
            with self.assertRaisesRegex(TypeError, f"metadata '{next(iter(metadata))}': expected a string"):
                tessera_files.write_records(self.path("r.zst"), [tessera_files.Record.of(metadata, {})])
        two = {"caf\u00e9": np.arange(3), "cafe\u0301": np.arange(3)}
        with self.assertRaisesRegex(ValueError, "two tensors"):
            tessera_files.write_records(self.path("r.zst"), [tessera_files.Record.of({}, two)])
        self.assertEqual(os.listdir(self.folder), [])

    def test_a_link_stays_and_its_target_is_replaced(self):
        os.symlink("target.zst", self.path("link.zst"))
        tessera_files.write_tokens(self.path("link.zst"), tokens())
        self.assertTrue(os.path.islink(self.path("link.zst")))
        self.assertEqual(len(tessera_files.read_tokens(self.path("target.zst"))), 5)

    def test_a_pipe_is_written_and_stays(self):
        os.mkfifo(self.path("pipe"))
        with subprocess.Popen(["cat", self.path("pipe")], stdout=subprocess.PIPE) as reader:
            tessera_files.write_tokens(self.path("pipe"), tokens())
            self.assertEqual(len(tessera_files.read_tokens(reader.stdout)), 5)
        self.assertEqual(os.listdir(self.folder), ["pipe"])

    def test_plain_files_are_those_of_safetensors(self):
        mapping = tessera_files.Mapping.coarse(np.array([0, 0, 1, 1]), HASH)
        tessera_files.write_plain(self.path("a.safetensors"), mapping.record())
        found = tessera_files.read_mapping(self.path("a.safetensors"))
        self.assertEqual(found.table.tolist(), [0, 0, 1, 1])
        try:
            from safetensors.numpy import load_file
        except ImportError:
            self.skipTest("needs safetensors for the second half")
        self.assertEqual(load_file(self.path("a.safetensors"))["fine_to_coarse"].tolist(), [0, 0, 1, 1])

    def test_errors_travel_between_processes(self):
        try:
            list(tessera_files.read_records(CORPUS / "gap.between.zst"))
        except tessera_files.FormatError as error:
            copy = pickle.loads(pickle.dumps(error))
            self.assertEqual((str(copy), copy.defect, copy.origin), (str(error), error.defect, error.origin))


if __name__ == "__main__":
    unittest.main()
