"""Torch-fidelity's Inception-v3 on folders of images, with weights from a file or random ones."""

import os

import numpy as np
import torch
import torch_fidelity.feature_extractor_inceptionv3 as published
from PIL import Image

OUTPUTS = ["2048", "logits_unbiased"]


def images(folder):
    """All PNG images below a folder as uint8 [n, 3, H, W], in the order of their paths."""
    paths = sorted(os.path.join(root, name) for root, _, names in os.walk(folder) for name in names)
    pictures = [np.asarray(Image.open(path).convert("RGB")) for path in paths if path.endswith(".png")]
    return torch.from_numpy(np.stack(pictures).transpose(0, 3, 1, 2).copy())


@torch.no_grad()
def features(weights, pictures):
    """Pooled features and logits without bias, in float64."""
    network = published.FeatureExtractorInceptionV3("inception", OUTPUTS, feature_extractor_weights_path=weights)
    parts = [network(batch) for batch in pictures.split(16)]
    return tuple(torch.cat(part).double().numpy() for part in zip(*parts))


@torch.no_grad()
def write_random_weights(path, pictures):
    """Weights of a network that was never trained, with normalisation by the moments of some pictures.

    Without these moments the features of a hundred layers would vanish or grow without bound.
    """
    torch.manual_seed(0)
    network = untrained()
    norms = [module for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
            torch.nn.init.kaiming_normal_(module.weight)
    for module in norms:
        module.train()
        module.momentum = 1.0
    network(pictures[:32])
    torch.save(network.state_dict(), path)


def untrained():
    """The module without its download."""
    download, load = published.load_state_dict_from_url, published.FeatureExtractorInceptionV3.load_state_dict
    published.load_state_dict_from_url = lambda *_, **__: {}
    published.FeatureExtractorInceptionV3.load_state_dict = lambda *_: None
    try:
        return published.FeatureExtractorInceptionV3("inception", OUTPUTS)
    finally:
        published.load_state_dict_from_url = download
        published.FeatureExtractorInceptionV3.load_state_dict = load
