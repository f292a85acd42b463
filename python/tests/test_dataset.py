"""A token file as a data set of torch."""

import importlib.util
import sys
import unittest
from unittest import mock

import numpy as np
import tessera_files
from support import Folder, tokens

has_torch = importlib.util.find_spec("torch") is not None


@unittest.skipUnless(has_torch, "needs torch")
class DatasetTests(Folder):
    def setUp(self):
        super().setUp()
        self.whole = tokens(7, vocab_size=70_000)
        tessera_files.write_tokens(self.path("a.zst"), self.whole, images_per_record=3)

    def test_items(self):
        import torch
        dataset = tessera_files.TokenDataset(self.path("a.zst"))
        self.assertEqual(len(dataset), 7)
        for index in (0, 6, -1):
            found, label = dataset[index]
            self.assertEqual((found.dtype, label.dtype, label.shape), (torch.int64, torch.int64, ()))
            self.assertEqual(found.tolist(), self.whole.tokens[index, 0].tolist())
            self.assertEqual(int(label), self.whole.labels[index])
        self.assertRaises(IndexError, dataset.__getitem__, 7)
        self.assertEqual(sum(1 for _ in dataset), 7)

    def test_views(self):
        import torch
        every = tessera_files.TokenDataset(self.path("a.zst"), views="all")
        self.assertEqual(len(every), 14)
        self.assertEqual(every[5][0].tolist(), self.whole.tokens[2, 1].tolist())
        torch.manual_seed(0)
        drawn = tessera_files.TokenDataset(self.path("a.zst"), views="random")
        seen = {tuple(drawn[3][0].tolist()) for _ in range(40)}
        self.assertEqual(seen, {tuple(view) for view in self.whole.tokens[3].tolist()})
        self.assertRaises(ValueError, tessera_files.TokenDataset, self.path("a.zst"), views="some")

    def test_a_loader_with_processes(self):
        from torch.utils.data import DataLoader
        dataset = tessera_files.TokenDataset(self.path("a.zst"))
        batches = list(DataLoader(dataset, batch_size=4, num_workers=2))
        self.assertEqual([tuple(batch.shape) for batch, _ in batches], [(4, 6), (3, 6)])
        np.testing.assert_array_equal(np.concatenate([batch.numpy() for batch, _ in batches]), self.whole.tokens[:, 0])


class WithoutTorchTests(Folder):
    def test_torch_is_needed_for_items_only(self):
        tessera_files.write_tokens(self.path("a.zst"), tokens())
        with mock.patch.dict(sys.modules, torch=None):
            dataset = tessera_files.TokenDataset(self.path("a.zst"))
            self.assertEqual(len(dataset), 5)
            self.assertRaises(ImportError, dataset.__getitem__, 0)


if __name__ == "__main__":
    unittest.main()
