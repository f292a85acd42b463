#!/usr/bin/env python3
"""Makes CTF's coarse labels from IAR's order of the codes: equal runs of neighbours in the new order share a label.

    coarse-labels.py MAPPING --codes-per-label 32 --output coarse.safetensors

MAPPING is what rearrange-codebook --mapping writes; it is read through show-file. The output is a mapping as
cluster-codebook writes it, without compression; python/tessera_files/header.py, which needs neither numpy nor
zstandard, encodes it. Codes of one cluster of the order have neighbouring labels, so that a cluster of codes is a block
of labels."""

import argparse
import array
import hashlib
import os
import re
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "python"))

from tessera_files.header import encode_record


def show(*arguments):
    return subprocess.run(["show-file", *arguments], check=True, capture_output=True, text=True).stdout


def mapping_bytes(labels, source_hash):
    """A `mapping` record: docs/formats.md has its keys."""
    data = struct.pack(f"<{len(labels)}I", *labels)
    metadata = {
        "kind": "mapping", "version": "1", "source_codebook_sha256": source_hash,
        "target_codebook_sha256": hashlib.sha256(source_hash.encode() + data).hexdigest(),
        "coarse_count": str(max(labels) + 1),
    }
    return encode_record(metadata, {"fine_to_coarse": ("U32", (len(labels),), data)})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mapping", help="a permutation, from rearrange-codebook --mapping")
    parser.add_argument("--codes-per-label", type=int, required=True, metavar="COUNT")
    parser.add_argument("--output", required=True, metavar="FILE")
    options = parser.parse_args()
    try:
        lines = show("--tensor", "old_to_new", options.mapping).splitlines()
        places = array.array("L", (int(word) for line in lines if line[0] != "#" for word in line.split()))
        source_hash = re.search(r"source_codebook_sha256: ([0-9a-f]{64})", show(options.mapping)).group(1)
    except (subprocess.CalledProcessError, ValueError, AttributeError) as error:
        sys.exit(f"coarse-labels.py: {options.mapping}: expected a mapping of rearrange-codebook; found {error!r}; "
                 "try: rearrange-codebook --mapping FILE")
    if options.codes_per_label < 1 or len(places) % options.codes_per_label:
        sys.exit(f"coarse-labels.py: expected --codes-per-label that divides the {len(places)} codes; "
                 f"found {options.codes_per_label}")
    with open(options.output, "wb") as file:
        file.write(mapping_bytes([place // options.codes_per_label for place in places], source_hash))


if __name__ == "__main__":
    main()
