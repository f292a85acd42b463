"""Expected LPIPS distances with random weights, by plain torch functions: an independent implementation.

    pip install torch numpy
    python3 make-lpips.py

writes lpips-expected.safetensors beside this script. Weights and images are drawn as make-inception.py draws them; the
heads, which are positive in the real file, are the absolute values.
"""

import importlib.util
import os

import numpy as np
import torch
import torch.nn.functional as F

HERE = os.path.dirname(os.path.abspath(__file__))
spec = importlib.util.spec_from_file_location("inception", os.path.join(HERE, "make-inception.py"))
drawing = importlib.util.module_from_spec(spec)
spec.loader.exec_module(drawing)

# Layer, inputs, outputs, kernel, stride, padding; "tap" compares, ("pool", kernel) halves.
ALEX = [
    (0, 3, 64, 11, 4, 2), "tap", ("pool", 3), (3, 64, 192, 5, 1, 2), "tap", ("pool", 3), (6, 192, 384, 3, 1, 1), "tap",
    (8, 384, 256, 3, 1, 1), "tap", (10, 256, 256, 3, 1, 1), "tap",
]
VGG = []
for number, inputs, outputs in [(0, 3, 64), (2, 64, 64), (5, 64, 128), (7, 128, 128), (10, 128, 256), (12, 256, 256),
                                (14, 256, 256), (17, 256, 512), (19, 512, 512), (21, 512, 512), (24, 512, 512),
                                (26, 512, 512), (28, 512, 512)]:
    if number in (5, 10, 17, 24):
        VGG += ["tap", ("pool", 2)]
    VGG.append((number, inputs, outputs, 3, 1, 1))
VGG.append("tap")


def parameters(layers):
    shapes, width, taps = {}, 0, 0
    for layer in layers:
        if layer == "tap":
            shapes[f"lin{taps}.model.1.weight"] = (1, width, 1, 1)
            taps += 1
        elif layer[0] != "pool":
            number, inputs, width, kernel = layer[:4]
            shapes[f"features.{number}.weight"] = (width, inputs, kernel, kernel)
            shapes[f"features.{number}.bias"] = (width,)
    result = {}
    for index, name in enumerate(sorted(shapes)):
        values = drawing.uniform(index, int(np.prod(shapes[name]))).reshape(shapes[name])
        if name.startswith("lin"):
            values = np.abs(values)
        elif name.endswith("bias"):
            values = values * np.float32(0.125)
        else:
            values = values * np.float32(2.0 ** round(np.log2(np.sqrt(6.0 / np.prod(shapes[name][1:])))))
        result[name] = torch.from_numpy(values).double()
    return result


def distance(layers, p, a, b):
    x = torch.from_numpy(np.stack([a, b]).transpose(0, 3, 1, 2).copy()).double() / 255 * 2 - 1
    shift = torch.tensor([-0.030, -0.088, -0.188]).double().view(1, 3, 1, 1)
    scale = torch.tensor([0.458, 0.448, 0.450]).double().view(1, 3, 1, 1)
    x, total, taps = (x - shift) / scale, 0.0, 0
    for layer in layers:
        if layer == "tap":
            unit = x / (torch.sqrt((x**2).sum(1, keepdim=True)) + 1e-10)
            squared = (unit[:1] - unit[1:]) ** 2
            total += F.conv2d(squared, p[f"lin{taps}.model.1.weight"]).mean().item()
            taps += 1
        elif layer[0] == "pool":
            x = F.max_pool2d(x, layer[1], 2)
        else:
            number, _, _, _, stride, padding = layer
            x = F.relu(F.conv2d(x, p[f"features.{number}.weight"], p[f"features.{number}.bias"], stride, padding))
    return total


def main():
    torch.set_grad_enabled(False)
    kept = {}
    for name, layers in (("alex", ALEX), ("vgg", VGG)):
        p = parameters(layers)
        pairs = [(drawing.image(1200, s), drawing.image(1201, s)) for s in (32, 65)]
        kept[name] = np.array([distance(layers, p, a, b) for a, b in pairs], np.float32)
        print(name, kept[name])
    drawing.write(os.path.join(HERE, "lpips-expected.safetensors"), kept, {})


if __name__ == "__main__":
    main()
