"""What the tests share: the places of the repository, made-up files, and a folder that goes away. The tests run from
the folder above this one, where Python finds the package: `python3 -m unittest discover --start-directory tests`."""

import os
import pathlib
import tempfile
import unittest

import numpy as np
import tessera_files

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
TOOLS = REPOSITORY / ".build" / "release"
HASH = "0123" * 16
needs_tools = unittest.skipUnless((TOOLS / "show-file").exists(), "needs the built tools: make build")


class Folder(unittest.TestCase):
    """A test with a temporary folder, and the tools on the path."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        before = os.environ.get("TESSERA_BIN")
        os.environ["TESSERA_BIN"] = str(TOOLS)
        self.addCleanup(lambda: os.environ.pop("TESSERA_BIN") if before is None
                        else os.environ.update(TESSERA_BIN=before))

    def path(self, name):
        return str(self.folder / name)

    def assert_defect(self, defect, function, *arguments, **options):
        """Calls a function that must raise a FormatError of a defect; the error."""
        with self.assertRaises(tessera_files.FormatError) as caught:
            function(*arguments, **options)
        self.assertEqual(caught.exception.defect.value, defect, str(caught.exception))
        return caught.exception


def header(**changes):
    settings = {"vocab_size": 16, "rows": 2, "columns": 3, "codebook_sha256": HASH, "num_classes": 3,
                "class_names": ("crab", 'fish "é"', "tab\t"), "views": ("center", "mirror")}
    return tessera_files.TokenHeader(**{**settings, **changes})


def tokens(images=5, seed=0, **changes):
    """Made-up tokens."""
    about, random = header(**changes), np.random.default_rng(seed)
    return tessera_files.Tokens(
        about, random.integers(0, about.vocab_size, (images, len(about.views), about.tokens_per_view)),
        random.integers(0, about.num_classes, images))


def random_model(kind="ar-model", **metadata):
    """A small model with random weights."""
    config = {"n_layer": 2, "n_head": 2, "dim": 16, "vocab_size": 16, "grid_rows": 2, "grid_columns": 3,
              "num_classes": 3, "rope_base": 10000, "norm_eps": 1e-5, "multiple_of": 8}
    extra = {"cluster_size": "4"}
    if kind == "fine-model":
        config["input_vocab_size"] = 4
        extra = {"coarse_codebook_sha256": HASH, "cluster_mask": "1"}
    if kind == "tokenizer":
        config = {"ch": 8, "ch_mult": [1, 2], "num_res_blocks": 1, "z_channels": 8, "codebook_size": 16,
                  "codebook_embed_dim": 4, "l2_norm": True, "groups": 4, "group_norm_eps": 1e-6, "image_size": 8}
    if kind == "var-model":
        config = {"depth": 2, "num_heads": 2, "embed_dim": 16, "mlp_ratio": 2.5, "vocab_size": 16,
                  "codebook_embed_dim": 4, "num_classes": 3, "norm_eps": 1e-6, "attn_l2_norm": True,
                  "shared_aln": False,
                  "multi_scale": {"scales": [1, 2, 3], "phi_count": 2, "residual_ratio": 0.5, "znorm": False}}
    random = np.random.default_rng(0)
    weights = {name: np.ones(shape, np.float32) if "norm" in name
               else 0.02 * random.standard_normal(shape, np.float32)
               for name, shape in tessera_files.parameter_shapes(kind, config).items()}
    if kind == "fine-model":
        weights["fine_to_coarse"] = np.arange(16) // 4
    return tessera_files.Model(kind, config, weights,
                               {"codebook_sha256": HASH, "class_names": '["a","b","c"]', **extra, **metadata})
