#!/usr/bin/env python3
"""Writes the other files of this folder: values of scikit-image and of plain numpy, and archives, for tests.

pip install numpy scikit-image safetensors
"""
import numpy as np
from safetensors.numpy import load_file, save_file
from skimage.metrics import mean_squared_error, peak_signal_noise_ratio, structural_similarity

here = __file__.rsplit("/", 1)[0]
random = np.random.default_rng(20)


def picture(height, width):
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x / (3 + c) + c) * np.cos(y / (5 + c)) for c in range(3)]
    return np.clip(127 + 90 * np.stack(waves, -1) + random.normal(0, 12, (height, width, 3)), 0, 255).astype(np.uint8)


def similarity(a, b):
    return structural_similarity(
        a, b, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255, channel_axis=2)


tensors = {}
pairs = []
for name, (height, width) in {"wide": (23, 31), "window": (11, 11), "square": (32, 32)}.items():
    a = picture(height, width)
    noisy = np.clip(a + random.normal(0, 25, a.shape), 0, 255).astype(np.uint8)
    pairs.append((name, a, noisy))
pairs.append(("dark", picture(16, 20) // 16, picture(16, 20)))
for name, a, b in pairs:
    tensors[name + ".a"], tensors[name + ".b"] = a, b
    tensors[name + ".expected"] = np.array(
        [mean_squared_error(a, b), peak_signal_noise_ratio(a, b, data_range=255), similarity(a, b)])
save_file(tensors, here + "/pairs.safetensors")

golden = load_file(here + "/distribution_metrics.safetensors")
x, y = golden["reference"], golden["samples"]


def kernel(a, b):
    return (a @ b.T / a.shape[1] + 1) ** 3


def distance(x, y):
    n, m = len(x), len(y)
    within = lambda k, n: (k.sum() - np.trace(k)) / (n * (n - 1))
    return within(kernel(x, x), n) + within(kernel(y, y), m) - 2 * kernel(x, y).mean()


x_small, y_small = x[:40], y[:30]
leave_x = [distance(np.delete(x_small, i, 0), y_small) for i in range(40)]
leave_y = [distance(x_small, np.delete(y_small, i, 0)) for i in range(30)]
variance = 39 * np.var(leave_x) + 29 * np.var(leave_y)
save_file(
    {"all": np.array([distance(x, y)]), "small": np.array([distance(x_small, y_small), np.sqrt(variance)])},
    here + "/kernel_distance.safetensors")

mean, covariance = x.mean(0), np.cov(x, rowvar=False)
images = np.stack([picture(12, 14) for _ in range(6)])
np.savez(here + "/statistics.npz", mu=mean, sigma=covariance)
np.savez(here + "/images.npz", arr_0=images)
np.savez_compressed(here + "/compressed.npz", arr_0=images)
