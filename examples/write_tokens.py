#!/usr/bin/env python3
"""Writes tokens of one's own as a token file that train-ar, detokenize and the other tools read.

    write_tokens.py tokens.npy labels.npy --tokenizer tokenizer.tensors.zst --output own.tokens.zst

tokens.npy has integers of the shape [images, rows, columns] or, as export-tokens writes them, [images, 1, tokens] of a
square grid; labels.npy has the shape [images]. The tokenizer says how many codes there are, and its hash lets the tools
refuse a model of another codebook.

Needs tessera_files (pip install ./python)."""

import argparse
import math

import numpy as np
import tessera_files


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tokens")
    parser.add_argument("labels")
    parser.add_argument("--tokenizer", required=True)
    parser.add_argument("--output", required=True)
    options = parser.parse_args()
    # Mapped into memory: only the images of one record are read at a time.
    tokens, labels = np.load(options.tokens, mmap_mode="r"), np.load(options.labels)
    tokenizer = tessera_files.read_model(options.tokenizer)
    images, rows, columns = tokens.shape
    if rows == 1 and math.isqrt(columns) ** 2 == columns:
        rows = columns = math.isqrt(columns)
    header = tessera_files.TokenHeader(
        vocab_size=tokenizer.config["codebook_size"], rows=rows, columns=columns,
        codebook_sha256=tokenizer.metadata["codebook_sha256"], num_classes=int(labels.max()) + 1)
    tessera_files.write_tokens(options.output, tessera_files.Tokens(header, tokens.reshape(images, 1, -1), labels))


if __name__ == "__main__":
    main()
