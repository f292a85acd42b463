#!/usr/bin/env python3
"""K-means of 16,384 codes of dimension 8 into 512 clusters by scikit-learn.

One start by k-means++, at most 300 iterations. The codes are random unless a file is given; their length is 1, as
LlamaGen's tokenizer has them.
"""

import sys

import measure
import numpy as np
import sklearn
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

ROWS = {"cluster-16384x8-512": (16384, 512)}


def main():
    parser = measure.parser(__doc__, ROWS, precisions=("float32",), compiles=False)
    parser.add_argument("--codes", metavar="FILE", help="codes [n, d] in a .npy file, instead of random ones")
    options = parser.parse_args()
    for name in options.rows:
        count, clusters = (256, 8) if options.small else ROWS[name]
        codes = np.load(options.codes) if options.codes else np.random.default_rng(0).standard_normal((count, 8))
        codes = (codes / np.linalg.norm(codes, axis=1, keepdims=True)).astype(np.float32)

        def cluster(name=name, codes=codes, clusters=clusters):
            found = KMeans(clusters, n_init=1, max_iter=300, random_state=0).fit(codes)
            print(f"{name}: inertia {found.inertia_:.6g}, {found.n_iter_} iterations", file=sys.stderr)

        with threadpool_limits(options.threads):
            measure.measure(options, "scikit-learn " + sklearn.__version__, name, "clusterings", 1, cluster)


if __name__ == "__main__":
    main()
