#!/usr/bin/env python3
"""Makes the seeds that no tool of the suite writes; make.sh calls it."""
import io
import json
import pathlib
import struct
import subprocess

import numpy as np

FOLDER = pathlib.Path(__file__).parent
TYPES = {"float32": "F32", "float64": "F64", "uint8": "U8"}
random = np.random.default_rng(1)


def frame(metadata, arrays):
    header, data = {"__metadata__": metadata}, b""
    for name, values in arrays.items():
        header[name] = {"dtype": TYPES[values.dtype.name], "shape": list(values.shape),
                        "data_offsets": [len(data), len(data) + values.nbytes]}
        data += values.tobytes()
    text = json.dumps(header).encode()
    blob = struct.pack("<Q", len(text)) + text + data
    return subprocess.run(["zstd", "-qc"], input=blob, stdout=subprocess.PIPE, check=True).stdout


def mark(records, items):
    return struct.pack("<II10sHQQ", 0x184D2A5E, 28, b"TESSERAEND", 1, records, items)


def features(count):
    arrays = {"features": (count, 3), "spatial": (count, 4), "logits": (count, 5)}
    found = {name: random.standard_normal(shape, np.float32) for name, shape in arrays.items()}
    found["pixels_sha256"] = random.integers(0, 256, (count, 32), np.uint8)
    return frame({"kind": "features", "version": "1", "network": "inception-v3", "weights_sha256": "0" * 64}, found)


values = random.standard_normal((9, 3))
statistics = {"mean": values.mean(0), "covariance": np.cov(values, rowvar=False)}
(FOLDER / "features/two-records.zst").write_bytes(features(3) + features(2) + mark(2, 5))
(FOLDER / "features/statistics.zst").write_bytes(
    frame({"kind": "features", "version": "1", "images": "9"}, statistics) + mark(1, 1))

images = io.BytesIO()
np.savez(images, arr_0=random.integers(0, 256, (3, 4, 4, 3), np.uint8))
(FOLDER / "zip/images.npz").write_bytes(images.getvalue())
moments = io.BytesIO()
np.savez_compressed(moments, mu=statistics["mean"], sigma=statistics["covariance"])
(FOLDER / "zip/statistics.npz").write_bytes(moments.getvalue())
zeros = io.BytesIO()
np.savez_compressed(zeros, a=np.zeros(100_000, np.uint8), b=np.zeros(100_000, np.uint8))
(FOLDER / "zip/zeros.npz").write_bytes(zeros.getvalue())
for name, array in {"big-endian": np.arange(4, dtype=">i4"), "bool": np.array([True, False]), "scalar": np.float32(3),
                    "empty": np.zeros((0, 3), np.int64)}.items():
    np.save(FOLDER / f"npy/{name}.npy", array)

