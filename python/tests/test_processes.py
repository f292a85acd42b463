"""How tools start and end, what they read and what is read of them. The tools here are made up, so that they do what a
test needs: nothing has to be built for these tests."""

import bz2
import contextlib
import gzip
import io
import lzma
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from unittest import mock

import numpy as np
import tessera_files
from support import REPOSITORY, Folder
from tessera_files import run, stream

# As a training tool: the first signal has it save, the second one kills it. A signal that it was started to ignore it
# goes on to ignore.
TRAINING = """
import os, pathlib, signal, sys, time
signals = []
def come(number, frame):
    signals.append(number)
    pathlib.Path("asked").touch()
    if len(signals) > 1:
        os._exit(99)
for number in (signal.SIGINT, signal.SIGTERM):
    if signal.getsignal(number) != signal.SIG_IGN:
        signal.signal(number, come)
pathlib.Path("started").touch()
while not signals:
    time.sleep(0.01)
time.sleep(float(sys.argv[1]))
pathlib.Path("saved").touch()
"""
PROGRAMS = {
    "run": "tessera_files.run('training', sys.argv[1], folder='.')",
    "feed": "tessera_files.run('training', sys.argv[1], folder='.', input=io.BufferedReader(open(os.pipe()[0], 'rb')))",
    "stream": "with tessera_files.stream('training', sys.argv[1], folder='.') as output: output.read()",
}


class ToolFolder(Folder):
    """A test with tools that it writes itself."""

    def tool(self, name, script, interpreter="/bin/sh"):
        path = self.folder / name
        path.write_text(f"#!{interpreter}\n{script}\n")
        path.chmod(0o755)

    def appears(self, name, seconds=30):
        """Waits for a file that a tool writes; whether it has come."""
        deadline = time.monotonic() + seconds
        while not (self.folder / name).exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        return (self.folder / name).exists()


class InterruptTests(ToolFolder):
    def setUp(self):
        super().setUp()
        # Whoever starts the tests in the background has them ignore Ctrl-C, which tools inherit.
        self.addCleanup(signal.signal, signal.SIGINT, signal.signal(signal.SIGINT, signal.default_int_handler))

    def program(self, kind, seconds):
        """A program of its own that runs a training, in a process group of its own as a terminal would make one."""
        code = ("import io, os, signal, sys, tessera_files\n"
                "signal.signal(signal.SIGINT, signal.default_int_handler)\n" + PROGRAMS[kind])
        self.tool("training", TRAINING, sys.executable)
        for name in ("started", "asked", "saved"):
            (self.folder / name).unlink(missing_ok=True)
        process = subprocess.Popen([sys.executable, "-c", code, str(seconds)], cwd=self.folder, start_new_session=True,
                                   stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": f"{REPOSITORY}/python"})
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait)
        self.addCleanup(self.kill, process.pid)
        self.assertTrue(self.appears("started"))
        return process

    def kill(self, group):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)

    def test_ctrl_c_leaves_the_tool_the_time_to_save(self):
        # A terminal sends the signal to the program and to its tools; kill sends it to the program alone.
        for kind in PROGRAMS:
            for send in (os.killpg, os.kill):
                with self.subTest(kind, send=send.__name__):
                    process = self.program(kind, 0.6)
                    send(process.pid, signal.SIGINT)
                    self.assertIn(b"KeyboardInterrupt", process.communicate(timeout=60)[1])
                    self.assertTrue((self.folder / "saved").exists())

    def test_a_second_ctrl_c_kills_the_tool(self):
        for kind in PROGRAMS:
            with self.subTest(kind):
                process = self.program(kind, 60)
                os.killpg(process.pid, signal.SIGINT)
                self.assertTrue(self.appears("asked"))
                os.killpg(process.pid, signal.SIGINT)
                start = time.monotonic()
                self.assertIn(b"KeyboardInterrupt", process.communicate(timeout=60)[1])
                self.assertLess(time.monotonic() - start, 30)
                self.assertFalse((self.folder / "saved").exists())
                # Nothing of the group is left.
                self.assertRaises(ProcessLookupError, os.killpg, process.pid, 0)

    def test_ctrl_c_while_the_tool_starts(self):
        before, started = signal.signal(signal.SIGINT, signal.default_int_handler), []
        self.addCleanup(signal.signal, signal.SIGINT, before)
        start = subprocess.Popen

        def interrupted(*arguments, **options):
            started.append(start(*arguments, **options))
            self.addCleanup(started[0].wait)
            self.addCleanup(started[0].kill)
            signal.raise_signal(signal.SIGINT)
            return started[0]
        self.tool("slow", "exec sleep 60")
        with mock.patch("subprocess.Popen", interrupted):
            self.assertRaises(KeyboardInterrupt, run, "slow", folder=self.folder)
        self.assertIsNotNone(started[0].poll())
        self.assertIs(signal.getsignal(signal.SIGINT), signal.default_int_handler)

    def test_a_tool_of_another_thread_sees_ctrl_c_by_itself(self):
        self.tool("show", "grep SigIgn /proc/self/status")
        shown = []
        thread = threading.Thread(target=lambda: shown.append(run("show", folder=self.folder).text))
        thread.start()
        thread.join()
        ignored = int(shown[0].split()[1], 16)
        self.assertFalse(ignored >> signal.SIGINT - 1 & 1)

    def test_another_exception_ends_the_tool_too(self):
        class Late(Exception):
            pass

        def alarm(number, frame):
            raise Late
        before = signal.signal(signal.SIGALRM, alarm)
        self.addCleanup(signal.signal, signal.SIGALRM, before)
        self.tool("slow", f"cd {self.folder}; trap 'touch asked; exit 143' TERM; while :; do sleep 0.05; done")
        signal.setitimer(signal.ITIMER_REAL, 0.5)
        self.assertRaises(Late, run, "slow", folder=self.folder)
        self.assertTrue((self.folder / "asked").exists())


class InputTests(ToolFolder):
    def read(self, file, command="cat", **options):
        """What a tool reads of a file."""
        self.tool("reader", command)
        return run("reader", input=file, folder=self.folder, **options).output

    def stored(self, content=b"one\ntwo\nthree\n"):
        (self.folder / "file").write_bytes(content)
        return self.path("file")

    def test_a_file_is_read_from_where_it_is(self):
        with open(self.stored(), "rb") as file:
            file.readline()
            self.assertEqual(self.read(file), b"two\nthree\n")
            self.assertEqual(file.read(), b"")
            file.seek(4)
            self.assertEqual(self.read(file, "dd bs=1 count=4 2>/dev/null"), b"two\n")
            self.assertEqual(file.read(1), b"t")
            file.seek(4)
            self.assertEqual(file.read(), b"two\nthree\n")
        with open(self.stored(), "rb", buffering=0) as file:
            file.read(4)
            self.assertEqual(self.read(file), b"two\nthree\n")
        with open(self.stored(), "r+b") as file:
            file.write(b"ONE\nTWO\n")
            file.seek(4)
            self.assertEqual(self.read(file), b"TWO\nthree\n")
        with tempfile.NamedTemporaryFile() as file:
            file.write(b"one\ntwo\n")
            file.seek(4)
            self.assertEqual(self.read(file), b"two\n")
        with open("/proc/self/status", "rb") as file:
            file.readline()
            self.assertTrue(self.read(file).startswith(b"Umask:"))

    def test_a_compressed_file_is_read_as_what_it_holds(self):
        content = os.urandom(1 << 18)
        for module in (gzip, bz2, lzma):
            with self.subTest(module.__name__):
                with module.open(self.path("compressed"), "wb") as file:
                    file.write(content)
                with module.open(self.path("compressed")) as file:
                    file.read(5)
                    self.assertEqual(self.read(file), content[5:])

    def pipe(self, content):
        """The end of a pipe to read, and the other."""
        reading, writing = os.pipe()
        os.write(writing, content)
        return self.enterContext(open(reading, "rb")), self.enterContext(open(writing, "wb"))

    def test_what_a_pipe_has_buffered_is_not_lost(self):
        reading, writing = self.pipe(b"one\ntwo\nthree\n")
        writing.close()
        reading.readline()
        self.assertEqual(self.read(reading), b"two\nthree\n")

    def test_a_slow_source_is_given_as_it_comes(self):
        reading, writing = self.pipe(b"one\n")
        came = []

        def close():
            came.append(self.appears("seen", 20))
            writing.close()
        thread = threading.Thread(target=close)
        thread.start()
        self.read(reading, f"read line; touch {self.path('seen')}; cat")
        thread.join()
        self.assertEqual(came, [True])

    def test_much_comes_in_and_goes_out_at_once(self):
        content = os.urandom(1 << 20) * 4
        for given in (content, bytearray(content), memoryview(content), io.BytesIO(content)):
            self.assertTrue(self.read(given) == content)
        self.assertEqual(self.read(b""), b"")

    def test_an_input_that_is_not_read_does_not_hide_the_tools_error(self):
        content = bytes(1 << 22)
        for given in (content, io.BytesIO(content)):
            with self.assertRaises(tessera_files.InputError) as caught:
                self.read(given, "exec <&-; sleep 0.1; echo 'reader: x: no such file; expected one' >&2; exit 66")
            self.assertEqual((caught.exception.file, caught.exception.expected), ("x", "one"))
            self.assertEqual(self.read(given, "echo enough"), b"enough\n")

    def test_an_input_that_fails_ends_the_tool_before_its_end(self):
        with open(self.path("cut"), "wb") as file:
            file.write(gzip.compress(os.urandom(1 << 18))[:-9])
        with gzip.open(self.path("cut")) as file:
            self.assertRaises(EOFError, self.read, file, f"cat >/dev/null; touch {self.path('whole')}")
        self.assertFalse((self.folder / "whole").exists())

    def test_what_is_no_binary_file_is_refused(self):
        path = self.stored()
        with open(path) as text, tempfile.NamedTemporaryFile("w+") as wrapped:
            wrapped.write("text")
            wrapped.seek(0)
            for given in (text, io.StringIO("text"), "text", pathlib.Path(path), wrapped):
                with self.subTest(type(given)), self.assertRaisesRegex(TypeError, r"input: .* try: open\(file, 'rb'\)"):
                    self.read(given)
        reading, _ = self.pipe(b"")
        os.set_blocking(reading.fileno(), False)
        self.assertRaisesRegex(BlockingIOError, "waits for its data", self.read, reading)


class StreamTests(ToolFolder):
    def stream(self, script):
        self.tool("writer", script)
        return stream("writer", folder=self.folder)

    def test_a_block_that_is_left_early_does_not_wait(self):
        start = time.monotonic()
        with self.stream("exec sleep 40"):
            pass
        with self.stream("echo one; exec sleep 40") as output:
            self.assertEqual(output.readline(), b"one\n")
        with self.stream("exec sleep 40") as output:
            output.close()
        with self.assertRaises(tessera_files.FormatError), self.stream("echo one; exec sleep 40") as output:
            output.readline()
            tessera_files.read_record(io.BytesIO())
        self.assertLess(time.monotonic() - start, 30)

    def test_an_error_is_raised_where_the_end_was_read(self):
        script = "echo 'writer: x: no such file' >&2; exit 66"

        def nothing(output):
            self.assertEqual(output.read(), b"")

        def closes(output):
            with output:
                output.read()

        def wraps(output):
            io.TextIOWrapper(output).read()

        def fails(output):
            tessera_files.read_record(output)

        for block in (nothing, closes, wraps, fails):
            with self.subTest(block.__name__):
                with self.assertRaises(tessera_files.InputError) as caught, self.stream(script) as output:
                    block(output)
                self.assertEqual(caught.exception.file, "x")
        # Of other failures the tool knows nothing.
        with self.assertRaises(KeyError), self.stream(script) as output:
            output.read()
            raise KeyError

    def test_a_tool_reads_of_a_tool(self):
        self.tool("reader", "cat")
        with self.assertRaises(tessera_files.DataError), self.stream("echo one; exit 65") as output:
            self.assertEqual(run("reader", input=output, folder=self.folder).output, b"one\n")
        with self.stream("echo one; echo two") as output:
            output.readline()
            self.assertEqual(run("reader", input=output, folder=self.folder).output, b"two\n")
        # That the reader's input ended too early is not what the caller has to know.
        self.tool("reader", "cat >/dev/null; exit 65")
        with self.assertRaises(tessera_files.InputError), self.stream("exit 66") as output:
            run("reader", input=output, folder=self.folder)
        with self.assertRaises(tessera_files.DataError), self.stream("echo one") as output:
            run("reader", input=output, folder=self.folder)

    def test_a_reader_that_ends_at_once_does_not_wait_for_the_writer(self):
        self.tool("reader", "exit 64")
        start = time.monotonic()
        with self.assertRaises(tessera_files.UsageError), self.stream("exec sleep 40") as output:
            run("reader", input=output, folder=self.folder)
        self.assertLess(time.monotonic() - start, 30)


class OptionTests(ToolFolder):
    def words(self, **options):
        """The words that a tool gets for options."""
        self.tool("words", "printf '%s\\n' \"$@\"")
        return run("words", folder=self.folder, **options).text.splitlines()

    def test_values_of_numpy_are_those_of_python(self):
        self.assertEqual(self.words(a=np.True_, b=np.False_, c=np.array(True), d=np.bool_(1) & np.bool_(0)),
                         ["--a", "--c"])
        self.assertEqual(self.words(a=np.int64(-3), b=np.uint8(200), c=np.float32(0.1), d=np.float64(2.5),
                                    e=np.array(7), f=np.str_("x")),
                         ["--a=-3", "--b=200", "--c=0.1", "--d=2.5", "--e=7", "--f=x"])

    def test_each_item_of_a_list_is_one_option(self):
        given = [pathlib.Path("p") / "q", np.int64(1), np.float32(0.5), "x", None, True, np.True_, np.False_]
        self.assertEqual(self.words(a=given), ["--a=p/q", "--a=1", "--a=0.5", "--a=x", "--a", "--a"])
        self.assertEqual(self.words(a=tuple(given[:2])), ["--a=p/q", "--a=1"])
        self.assertEqual(self.words(a=np.arange(2), b=np.array([0.1], np.float32)), ["--a=0", "--a=1", "--b=0.1"])

    def test_what_would_be_no_word_is_refused(self):
        for value in ({"x"}, {"x": 1}, [[1]], np.zeros((2, 2)), b"x", range(3)):
            with self.subTest(repr(value)), self.assertRaisesRegex(TypeError, "some_name: expected .* found "):
                self.words(some_name=value)


if __name__ == "__main__":
    unittest.main()
