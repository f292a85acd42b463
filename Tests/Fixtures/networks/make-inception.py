"""Expected features of Inception-v3 with random weights, by torch-fidelity: an independent implementation.

    pip install torch-fidelity==0.4.0
    python3 make-inception.py

writes inception-expected.safetensors beside this script. The weights and images are not stored: both sides draw
them from Philox4x32-10, the suite's counter-based generator, stream (seed 11, purpose test, index = place of the
tensor in the sorted list of names; images from index 1000 on). Random weights of the usual scale would drown the
input after 90 layers, so batch normalisation is given moments that the activations really have, those of a run over
two calibration images; they are stored with the expected values.
"""

import json
import os
import struct

import numpy as np
import torch
import torch_fidelity
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

HERE = os.path.dirname(os.path.abspath(__file__))
SEED, PURPOSE = 11, 11


def philox(index, words):
    """`words` 32-bit numbers of the stream of an index."""
    blocks = (words + 3) // 4
    x0 = np.arange(blocks, dtype=np.uint64)
    x1, x2, x3 = (np.full(blocks, v, np.uint64) for v in (PURPOSE, index & 0xFFFFFFFF, index >> 32))
    k0, k1, low = SEED & 0xFFFFFFFF, SEED >> 32, np.uint64(0xFFFFFFFF)
    for _ in range(10):
        p0, p1 = x0 * np.uint64(0xD2511F53), x2 * np.uint64(0xCD9E8D57)
        x0, x1, x2, x3 = (
            (p1 >> np.uint64(32)) ^ x1 ^ np.uint64(k0), p1 & low,
            (p0 >> np.uint64(32)) ^ x3 ^ np.uint64(k1), p0 & low,
        )
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return np.stack([x0, x1, x2, x3], 1).reshape(-1)[:words].astype(np.uint32)


def uniform(index, count):
    """Numbers from -1 to 1 on a grid of 2^-23, exact in float32."""
    return (philox(index, count) >> 8).astype(np.float32) / np.float32(1 << 23) - np.float32(1)


def image(index, side):
    """A picture with structure: a coarse grid of random colours, enlarged, with fine noise on top."""
    coarse = (philox(index, 8 * 8 * 3) >> 24).reshape(8, 8, 3)
    fine = (philox(index + 500, side * side * 3) >> 26).reshape(side, side, 3)
    place = np.arange(side) * 8 // side
    return ((coarse[place][:, place] * 3) // 4 + fine).astype(np.uint8)


def write(path, tensors, metadata):
    header, offset = {"__metadata__": metadata}, 0
    for name in sorted(tensors):
        size = tensors[name].nbytes
        header[name] = {"dtype": "F32", "shape": list(tensors[name].shape), "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header, sort_keys=True).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name in sorted(tensors):
            file.write(tensors[name].astype("<f4").tobytes())


def make_network():
    original = torch_fidelity.feature_extractor_inceptionv3.load_state_dict_from_url
    module = torch_fidelity.feature_extractor_inceptionv3
    module.FeatureExtractorInceptionV3.load_state_dict = lambda self, state: None
    module.load_state_dict_from_url = lambda *a, **k: {}
    network = FeatureExtractorInceptionV3("inception", ["2048", "logits_unbiased"])
    del module.FeatureExtractorInceptionV3.load_state_dict
    module.load_state_dict_from_url = original
    state = network.state_dict()
    names = sorted(n for n in state if not n.endswith("num_batches_tracked"))
    for index, name in enumerate(names):
        shape = tuple(state[name].shape)
        values = uniform(index, int(np.prod(shape))).reshape(shape)
        if name.endswith("conv.weight") or name == "fc.weight":
            values = values * np.float32(2.0 ** round(np.log2(np.sqrt(6.0 / np.prod(shape[1:])))))
        elif name.endswith("bn.weight"):
            values = np.float32(1) + values * np.float32(0.25)
        else:
            values = values * np.float32(0.25)
        if name.endswith("running_var"):
            values = np.abs(values) + np.float32(1)
        state[name] = torch.from_numpy(np.ascontiguousarray(values))
    network.load_state_dict(state)
    return network


def calibrate(network):
    """Gives every batch normalisation the moments of its own input, one pair of numbers for all channels."""
    moments = {}

    def hook(name):
        def run(module, inputs):
            x = inputs[0]
            mean, variance = float(x.mean()), float(x.var(unbiased=False))
            module.running_mean.fill_(np.float32(mean))
            module.running_var.fill_(np.float32(variance))
            moments[name] = np.array([module.running_mean[0].item(), module.running_var[0].item()], np.float32)
        return run

    handles = [m.register_forward_pre_hook(hook(n)) for n, m in network.named_modules() if n.endswith(".bn")]
    network(torch.from_numpy(np.stack([image(1100 + i, 299) for i in range(2)]).transpose(0, 3, 1, 2).copy()))
    for handle in handles:
        handle.remove()
    return moments


def main():
    torch.set_grad_enabled(False)
    network = make_network()
    moments = calibrate(network)
    names = sorted(moments)
    shapes = {n: list(v.shape) for n, v in network.state_dict().items() if not n.endswith("num_batches_tracked")}
    kept = {"moments": np.stack([moments[n] for n in names])}
    spatial = {}
    network.Mixed_6d.register_forward_hook(lambda m, i, o: spatial.update(x=o[:, :7].permute(0, 2, 3, 1)))
    for number, side in enumerate((32, 256, 299)):
        x = torch.from_numpy(image(1000 + number, side)[None].transpose(0, 3, 1, 2).copy())
        pool, logits = network(x)
        kept[f"pool.{side}"] = pool[0].numpy()
        kept[f"logits.{side}"] = logits[0].numpy()
        kept[f"spatial.{side}"] = spatial["x"][0].reshape(-1).numpy()
        for key in ("pool", "logits", "spatial"):
            v = kept[f"{key}.{side}"]
            print(side, key, v.shape, "mean", v.mean(), "deviation", v.std())
    write(os.path.join(HERE, "inception-expected.safetensors"), kept, {"shapes": json.dumps(shapes, sort_keys=True)})


if __name__ == "__main__":
    main()
