#!/usr/bin/env python3
"""The features of images of 256 x 256 that FID needs, by torch-fidelity's Inception-v3, with random weights.

What is timed has images in memory; `eval-metrics --network inception-v3` reads and decodes them too.
"""

from unittest import mock

import measure
import torch
import torch_fidelity
import torch_fidelity.feature_extractor_inceptionv3 as published

ROWS = {"inception-v3": 16}


def untrained():
    """The network without the download of its weights."""
    with (mock.patch.object(published, "load_state_dict_from_url", lambda *_, **__: {}),
          mock.patch.object(published.FeatureExtractorInceptionV3, "load_state_dict", lambda *_: None)):
        return published.FeatureExtractorInceptionV3("inception", ["2048"]).eval()


def main():
    options = measure.parser(__doc__, ROWS, precisions=("float32",), compiles=False).parse_args()
    peer = f"torch-fidelity {torch_fidelity.__version__}, {measure.start_torch(options)}"
    for name in options.rows:
        images = 1 if options.small else ROWS[name]
        network, batch = untrained(), torch.randint(256, (images, 3, 256, 256), dtype=torch.uint8)

        def features(network=network, batch=batch):
            with torch.no_grad():
                network(batch)

        measure.measure(options, peer, name, "images", images, features)


if __name__ == "__main__":
    main()
