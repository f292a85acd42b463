#!/usr/bin/env python3
"""Looks at the codebook of a tokenizer: its size, which codes a data set uses, and the codes nearest to one another.

    look_at_codebook.py out/quickstart/tokenizer.tensors.zst [--tokens out/quickstart/images.tokens.zst]

Needs tessera_files (pip install ./python)."""

import argparse

import numpy as np
import tessera_files


def nearest(codes):
    """The other code at the smallest distance from each code, and that distance: [codes], [codes]."""
    neighbours, distances = [], []
    # A block of rows at a time: all distances of 16,384 codes would fill 2 GB.
    for begin in range(0, len(codes), 512):
        block = codes[begin:begin + 512]
        squares = (block**2).sum(1)[:, None] - 2 * block @ codes.T + (codes**2).sum(1)
        rows = np.arange(len(block))
        squares[rows, begin + rows] = np.inf
        best = squares.argmin(1)
        neighbours.append(best)
        distances.append(np.sqrt(np.maximum(0, squares[rows, best])))
    return np.concatenate(neighbours), np.concatenate(distances)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tokenizer")
    parser.add_argument("--tokens", help="a token file of the same codebook")
    options = parser.parse_args()
    tokenizer = tessera_files.read_model(options.tokenizer)
    codes = tokenizer.codebook.astype(np.float64)
    if tokenizer.config.get("l2_norm"):
        codes /= np.linalg.norm(codes, axis=1, keepdims=True)
    neighbours, distances = nearest(codes)
    closest = int(distances.argmin())
    print(f"codes: {len(codes)} of {codes.shape[1]} dimensions")
    print(f"distance to the nearest code: mean {distances.mean():.4f}")
    print(f"closest codes: {closest} and {neighbours[closest]}, {distances[closest]:.4f}")
    if options.tokens:
        counts = np.zeros(len(codes), np.int64)
        for batch in tessera_files.iterate_tokens(options.tokens):
            if batch.header.codebook_sha256 != tokenizer.metadata["codebook_sha256"]:
                parser.error(f"{options.tokens}: these are tokens of another codebook")
            counts += np.bincount(batch.tokens.reshape(-1), minlength=len(codes))
        share = counts[counts > 0] / counts.sum()
        print(f"used codes: {len(share)}, perplexity {np.exp(-(share * np.log(share)).sum()):.1f}")
        print("most frequent: " + ", ".join(f"{code} ({counts[code]})" for code in (-counts).argsort()[:5]))


if __name__ == "__main__":
    main()
