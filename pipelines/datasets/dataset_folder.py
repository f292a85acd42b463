"""What the dataset scripts share: folders that appear whole or not at all, PNG files, manners of the command line.

Exit codes: 0 done, 64 usage, 65 bad data, 66 no such input, 73 cannot create output, 130 and 143 interrupted.
"""

import argparse
import collections
import contextlib
import os
import re
import shutil
import signal
import struct
import sys
import tempfile
import unicodedata
import zlib

USAGE, BAD_DATA, NO_INPUT, CANNOT_CREATE = 64, 65, 66, 73


class DatasetError(Exception):
    """A mistake to report to the user, with its exit code."""

    def __init__(self, exit_code, message):
        super().__init__(message)
        self.exit_code = exit_code


class ArgumentParser(argparse.ArgumentParser):
    """argparse with the usual options, and 64 for wrong usage."""

    def __init__(self, description, example):
        super().__init__(
            description=description, epilog="example: " + example,
            formatter_class=argparse.RawDescriptionHelpFormatter)
        self.add_argument("output", metavar="OUTPUT_FOLDER", help="made by this script, with one sub-folder per class")
        self.add_argument("--force", action="store_true", help="replace the output folder if it exists")

    def error(self, message):
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"{self.prog}: {message}\n")


def run(main):
    """Runs a script's main function; its mistakes become a line on stderr and an exit code."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    program = os.path.basename(sys.argv[0])
    try:
        main()
    except DatasetError as error:
        print(f"{program}: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)


class DatasetFolder:
    """Files of a data set under construction, counted by class."""

    def __init__(self, path):
        self.path = path
        self.counts = collections.Counter()

    def add(self, class_path, name, content):
        """Writes one image into the folder of its class, which may lie under train/ or test/."""
        folder = os.path.join(self.path, class_path)
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, name), "xb") as file:
            file.write(content)
        self.counts[class_path] += 1

    def report(self, target):
        """The counts, on stderr."""
        for class_path, count in sorted(self.counts.items()):
            print(f"{count:6d} {class_path}", file=sys.stderr)
        print(f"{sum(self.counts.values()):6d} images, {len(self.counts)} folders: {target}", file=sys.stderr)


def check_target(target, force):
    """Refuses to replace anything but a folder of PNG files: --force with a wrong path must not cost more than that."""
    if not os.path.lexists(target):
        return
    if not force:
        raise DatasetError(CANNOT_CREATE, f"{target}: exists already; remove it, or give --force to replace it")
    if os.path.islink(target) or not os.path.isdir(target):
        raise DatasetError(CANNOT_CREATE, f"{target}: not a folder; --force replaces only a folder of PNG files")
    for folder, _, files in os.walk(target):
        for file in files:
            if not file.endswith(".png"):
                raise DatasetError(
                    CANNOT_CREATE, f"{target}: holds {os.path.join(folder, file)}; "
                    "--force replaces only a folder of PNG files")


@contextlib.contextmanager
def created(target, force):
    """A new DatasetFolder, renamed to `target` when the block succeeds and removed when it does not."""
    target = os.path.normpath(target)
    parent, name = os.path.split(os.path.abspath(target))
    check_target(target, force)
    try:
        os.makedirs(parent, exist_ok=True)
        work = tempfile.mkdtemp(prefix=f".{name}.", dir=parent)
    except OSError as error:
        raise DatasetError(CANNOT_CREATE, f"{target}: {error.strerror}") from error
    try:
        folder = DatasetFolder(os.path.join(work, name))
        os.mkdir(folder.path)
        yield folder
        if os.path.lexists(target):
            os.rename(target, os.path.join(work, "replaced"))
        os.rename(folder.path, target)
        folder.report(target)
    except OSError as error:
        raise DatasetError(CANNOT_CREATE, f"{error.filename or target}: {error.strerror}") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def read_input(path, remedy):
    """The bytes of an input file; `remedy` says how to get it."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise DatasetError(NO_INPUT, f"{path}: {error.strerror}; {remedy}") from error


def slug(text):
    """Lower-case ASCII words joined by hyphens, for file names."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain.replace("'", "")).strip("-")


def png_size(content):
    """Width and height of a PNG file's bytes, or None where they are not one's."""
    if content[:8] != b"\x89PNG\r\n\x1a\n" or content[12:16] != b"IHDR":
        return None
    return struct.unpack(">II", content[16:24])


def grey_png(width, height, samples):
    """The bytes of an 8-bit grey PNG."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + samples[y * width:(y + 1) * width] for y in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 9))
            + chunk(b"IEND", b""))
