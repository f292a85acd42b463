"""Small weights files as torch and numpy write them, all with the same five arrays.

    pip install torch numpy
    python3 make-files.py
"""

import argparse
import collections
import os
import pickle

import numpy as np
import torch

HERE = os.path.dirname(os.path.abspath(__file__))

a = torch.arange(6, dtype=torch.float32).reshape(2, 3) / 4
whole = torch.arange(24, dtype=torch.float32)
tensors = collections.OrderedDict(
    a=a,
    half=torch.tensor([1.5, -2.0], dtype=torch.float16),
    brain=torch.tensor([0.25, 3.0], dtype=torch.bfloat16),
    count=torch.tensor(7, dtype=torch.int64),
    # A view with strides 1, 12 and 3, and an offset: [4, 2, 2] of elements 2 + i + 12 j + 3 k ...
    view=torch.as_strided(whole, (3, 2, 2), (1, 12, 3), 2),
)


def path(name):
    return os.path.join(HERE, name)


torch.save(tensors, path("plain.zip.pt"))
torch.save(tensors, path("plain.legacy.pt"), _use_new_zipfile_serialization=False)
checkpoint = {
    "model": collections.OrderedDict(("module." + n, torch.nn.Parameter(t) if t.is_floating_point() else t) for n, t in tensors.items()),
    "optimizer": {"state": {0: {"step": torch.tensor(3.0)}}, "param_groups": [{"lr": 1e-4, "betas": (0.9, 0.95)}]},
    "steps": 12,
    "args": argparse.Namespace(vq_model="VQ-16", lr=0.0001, compile=False, path=None),
}
torch.save(checkpoint, path("checkpoint.zip.pt"))

arrays = {n: [t.float().numpy() if t.dtype == torch.bfloat16 else t.numpy()] for n, t in tensors.items()}
arrays["a"][0] = np.asfortranarray(arrays["a"][0])
for protocol in (2, 4, 5):
    with open(path(f"numpy.protocol{protocol}.pkl"), "wb") as file:
        pickle.dump(arrays, file, protocol=protocol)
np.save(path("c-order.npy"), a.numpy())
np.save(path("fortran-order.npy"), np.asfortranarray(a.numpy()))
np.savez(path("two.npz"), a=a.numpy(), b=np.array([True, False]))
np.savez_compressed(path("compressed.npz"), a=a.numpy())
