"""Tokens, mappings, models, features, statistics, checkpoints: round trips, and one mistake for each check."""

import hashlib
import io
import json
import unittest

import numpy as np
import tessera_files
from support import HASH, Folder, header, random_model, tokens
from tessera_files import Record, model_shapes


def written(record):
    stream = io.BytesIO()
    tessera_files.write_records(stream, [record])
    stream.seek(0)
    return stream


def changed(record, arrays=None, without=(), **metadata):
    """The record with other tensors or metadata; None removes a key."""
    tensors = {name: tensor for name, tensor in record.tensors.items() if name not in without}
    made = Record.of({**record.metadata, **metadata}, {**tensors, **(arrays or {})})
    made.metadata = {key: text for key, text in made.metadata.items() if text is not None}
    return written(made)


class TokenTests(Folder):
    def test_round_trip(self):
        for vocabulary in (16, 65536, 65537):
            whole = tokens(7, vocab_size=vocabulary)
            whole.skipped = np.array([0, 3, 8, 9])
            for images in (1, 3, 7, 100):
                tessera_files.write_tokens(self.path("a.zst"), whole, images_per_record=images)
                records = list(tessera_files.read_records(self.path("a.zst")))
                self.assertEqual(len(records), -(-7 // images))
                self.assertEqual(records[0].tensors["tokens"].info.dtype, "U32" if vocabulary > 65536 else "U16")
                found = tessera_files.read_tokens(self.path("a.zst"))
                np.testing.assert_array_equal(found.tokens, whole.tokens)
                np.testing.assert_array_equal(found.labels, whole.labels)
                self.assertEqual(found.skipped.tolist(), [0, 3, 8, 9], f"{images} images per record")
                self.assertEqual(found.header, whole.header)

    def test_shards(self):
        parts, first = [tokens(images, seed=images) for images in (4, 0, 3)], 0
        parts[0].skipped = np.array([1])
        for number, part in enumerate(parts, 1):
            place = {"number": number, "count": 3, "first": first, "total": 8}
            part.metadata = {"shard": json.dumps(place), "provenance": "[]"}
            first += len(part) + len(part.skipped)
            tessera_files.write_tokens(self.path(f"{number}.zst"), part, images_per_record=2)
        whole = b"".join(self.folder.joinpath(f"{number}.zst").read_bytes() for number in (1, 2, 3))
        found = tessera_files.read_tokens(io.BytesIO(whole))
        np.testing.assert_array_equal(found.labels, np.concatenate([part.labels for part in parts]))
        self.assertEqual(found.metadata, {**found.metadata, "provenance": "[]"})
        self.assertNotIn("shard", found.metadata)
        self.assertIn("shard", tessera_files.read_tokens(self.path("2.zst")).metadata)
        # Records that are copied one by one stay shards; the whole is not one of them.
        copy = io.BytesIO()
        tessera_files.write_records(copy, tessera_files.read_records(io.BytesIO(whole)))
        self.assertEqual(copy.getvalue(), whole)
        tessera_files.write_tokens(self.path("whole.zst"), found)
        self.assertEqual(tessera_files.read_tokens(self.path("whole.zst")).skipped.tolist(), [1])
        two = self.folder.joinpath("1.zst").read_bytes() + self.folder.joinpath("3.zst").read_bytes()
        error = self.assert_defect("shardMismatch", tessera_files.read_tokens, io.BytesIO(two))
        self.assertRegex(str(error), "expected shard 2 of 3; found shard 3 of 3; try: cat")

    def test_no_images(self):
        tessera_files.write_tokens(self.path("a.zst"), tokens(0))
        self.assertEqual(tessera_files.read_tokens(self.path("a.zst")).tokens.shape, (0, 2, 6))

    def test_mistakes_of_files(self):
        record = tokens().record()
        labels, stored = record["labels"], record["tokens"]
        cases = [
            ("missingMetadata", {"vocab_size": None}), ("badMetadata", {"vocab_size": "0x10"}),
            ("valueOutOfRange", {"vocab_size": "0"}), ("valueOutOfRange", {"vocab_size": str(2**24 + 1)}),
            ("valueOutOfRange", {"vocab_size": "9"}), ("valueOutOfRange", {"num_classes": "1", "class_names": "[]"}),
            ("badMetadata", {"grid": "2x3x1"}), ("badMetadata", {"grid": "-2x-3"}),
            ("badMetadata", {"grid": "400x400"}),
            ("wrongShape", {"grid": "3x3"}), ("wrongShape", {"views": '["center"]'}), ("badMetadata", {"views": "[]"}),
            ("badMetadata", {"views": "[1]"}), ("badMetadata", {"class_names": '["a"]'}),
            ("badMetadata", {"layout": "spiral"}), ("wrongKind", {"kind": "features"}), ("wrongKind", {"kind": "toys"}),
            ("unsupportedVersion", {"version": "2"}), ("missingMetadata", {"kind": None}),
            ("missingTensor", {"without": ["labels"]}), ("wrongShape", {"arrays": {"labels": labels[1:]}}),
            ("wrongType", {"arrays": {"tokens": stored.astype(float)}}),
            ("valueOutOfRange", {"arrays": {"tokens": stored.astype(np.int32) - 1}}),
            ("valueOutOfRange", {"arrays": {"skipped": np.array([3, 3])}}),
            ("valueOutOfRange", {"arrays": {"skipped": np.array([7])}}),
        ]
        for defect, changes in cases:
            with self.subTest(changes):
                self.assert_defect(defect, tessera_files.read_tokens, changed(record, **changes))

    def test_tokens_of_several_scales(self):
        whole = tokens(5, rows=3, columns=3, layout="scales", scales=(1, 2, 3))
        self.assertEqual(whole.tokens.shape, (5, 2, 14))
        tessera_files.write_tokens(self.path("a.zst"), whole)
        found = tessera_files.read_tokens(self.path("a.zst"))
        self.assertEqual(found.header, whole.header)
        np.testing.assert_array_equal(found.tokens, whole.tokens)
        for wrong in ("[1,2]", "[]", "[1,3,2,3]", "[0,3]", "3", "[1,2,3.0]", "[true,2,3]"):
            self.assert_defect("badMetadata", tessera_files.read_tokens, changed(whole.record(), scales=wrong))
        self.assert_defect("missingMetadata", tessera_files.read_tokens, changed(whole.record(), scales=None))
        self.assert_defect("wrongShape", tessera_files.read_tokens, changed(whole.record(), layout="raster"))
        self.assertRaises(ValueError, header, rows=3, columns=3, layout="scales", scales=(1, 2))
        self.assertRaises(ValueError, header, scales=(1, 2))

    def test_every_integer_type_is_read(self):
        record = tokens().record()
        for code in ("u1", "i1", "i2", "i4", "i8", "u8"):
            arrays = {"tokens": record["tokens"].astype(code)}
            found = tessera_files.read_tokens(changed(record, arrays=arrays))
            np.testing.assert_array_equal(found.tokens, record["tokens"])

    def test_the_error_names_the_image(self):
        record = tokens().record()
        wrong = record["tokens"].copy()
        wrong[3, 1, 2] = 16
        error = self.assert_defect("valueOutOfRange", tessera_files.read_tokens,
                                   changed(record, arrays={"tokens": wrong}))
        self.assertIn("expected tokens of item 3 from 0 to 15; found 16", str(error))

    def test_parts_of_another_codebook(self):
        parts = [written(tokens(codebook_sha256=digits * 64).record()).getvalue() for digits in "ab"]
        self.assert_defect("streamMismatch", tessera_files.read_tokens, io.BytesIO(b"".join(parts)))

    def test_mistakes_of_programs(self):
        for changes in ({"rows": 0}, {"vocab_size": 0}, {"class_names": ("one",)}, {"views": ()}, {"layout": "x"}):
            self.assertRaises(ValueError, header, **changes)
        batch = tokens()
        batch.tokens[0, 0, 0] = 16
        self.assert_defect("valueOutOfRange", tessera_files.write_tokens, self.path("a.zst"), batch)
        batch.tokens = batch.tokens[:, :1]
        self.assertRaises(ValueError, tessera_files.write_tokens, self.path("a.zst"), batch)


class MappingTests(Folder):
    def test_a_tokenizer_of_a_fixed_grid(self):
        sizes = {key: value for key, value in random_model("tokenizer").config.items() if key != "l2_norm"}
        fsq = {**sizes, "codebook_size": 60, "codebook_embed_dim": 3, "quantizer": {"kind": "fsq", "levels": [5, 4, 3]}}
        lfq = {**sizes, "codebook_size": 16, "codebook_embed_dim": 4, "quantizer": {"kind": "lfq"}}
        np.testing.assert_allclose(model_shapes.grid_codes(fsq)[[0, 1, 4, 5, 20]],
                                   [[-1, -1, -1], [-0.5, -1, -1], [1, -1, -1], [-1, -0.5, -1], [-1, -1, 0]])
        np.testing.assert_array_equal(model_shapes.grid_codes(lfq)[[0, 1, 14]],
                                      [[-1] * 4, [1, -1, -1, -1], [-1, 1, 1, 1]])
        for config in (fsq, lfq):
            weights = {name: np.ones(shape, np.float32)
                       for name, shape in tessera_files.parameter_shapes("tokenizer", config).items()}
            codes = model_shapes.grid_codes(config)
            model = tessera_files.Model("tokenizer", config, {**weights, "quantize.embedding.weight": codes[::-1]})
            tessera_files.write_model(self.path("t.zst"), model)
            self.assertEqual(tessera_files.read_model(self.path("t.zst")).config, config)
            record = model.record()
            for other in (codes * 0.5, np.where(np.arange(len(codes))[:, None] == 1, codes[:1], codes)):
                with self.assertRaises(tessera_files.FormatError) as caught:
                    tessera_files.Model("tokenizer", config, {**weights, "quantize.embedding.weight": other}).record()
                self.assertEqual(caught.exception.defect.value, "valueOutOfRange")
        for changes in ({"quantizer": {"kind": "lfq", "levels": [5, 4, 3]}}, {"quantizer": {"kind": "bsq"}},
                        {"quantizer": {"kind": "fsq"}}, {"quantizer": {"kind": "fsq", "levels": [5, 4, 2]}},
                        {"quantizer": {"kind": "fsq", "levels": [60]}}, {"quantizer": "fsq"}, {"l2_norm": False},
                        {"quantizer": {"kind": "lfq"}}, {"quantizer": None}):
            with self.subTest(changes):
                self.assert_defect("badMetadata", tessera_files.read_model,
                                   changed(record, config=json.dumps({**fsq, **changes})))

    def test_round_trips(self):
        order = np.array([2, 0, 3, 1])
        for mapping in (tessera_files.Mapping.permutation(order, HASH, "b" * 64, cluster_size=2),
                        tessera_files.Mapping.coarse(np.array([0, 2, 2, 1]), HASH)):
            tessera_files.write_mapping(self.path("m.zst"), mapping)
            found = tessera_files.read_mapping(self.path("m.zst"))
            np.testing.assert_array_equal(found.table, mapping.table)
            for name in ("target_count", "source_codebook_sha256", "target_codebook_sha256", "is_permutation",
                         "cluster_size"):
                self.assertEqual(getattr(found, name), getattr(mapping, name), name)
        self.assertEqual(found.target_codebook_sha256,
                         hashlib.sha256(HASH.encode() + np.array([0, 2, 2, 1], "<u4").tobytes()).hexdigest())

    def test_mistakes(self):
        order = tessera_files.Mapping.permutation(np.array([2, 0, 3, 1]), HASH, HASH, cluster_size=2).record()
        labels = tessera_files.Mapping.coarse(np.array([0, 1]), HASH).record()
        cases = [
            ("valueOutOfRange", order, {"arrays": {"old_to_new": np.array([2, 2, 3, 1])}}),
            ("valueOutOfRange", order, {"arrays": {"old_to_new": np.array([2, 0, 4, 1])}}),
            ("valueOutOfRange", order, {"arrays": {"new_to_old": np.arange(4)}}),
            ("missingTensor", order, {"without": ["new_to_old"]}), ("badMetadata", order, {"cluster_size": "3"}),
            ("missingMetadata", labels, {"coarse_count": None}), ("valueOutOfRange", labels, {"coarse_count": "1"}),
            ("missingMetadata", labels, {"source_codebook_sha256": None}),
        ]
        for defect, record, changes in cases:
            with self.subTest(changes):
                self.assert_defect(defect, tessera_files.read_mapping, changed(record, **changes))


class ModelTests(Folder):
    def test_a_tokenizer_of_several_scales(self):
        sizes = {**random_model("tokenizer").config, "l2_norm": False, "quant_conv_kernel": 3}
        good = {"scales": [1, 2, 4], "phi_count": 2, "residual_ratio": 0.5, "znorm": False}
        cases = (({}, 2), ({"phi_count": 0}, 3), ({"phi_count": 1}, 1), ({"residual_ratio": 0}, 0))
        for changes, convolutions in cases:
            config = {**sizes, "multi_scale": {**good, **changes}}
            weights = {name: np.ones(shape, np.float32)
                       for name, shape in tessera_files.parameter_shapes("tokenizer", config).items()}
            self.assertEqual(sum("quant_resi" in name for name in weights), 2 * convolutions)
            model = tessera_files.Model("tokenizer", config, weights)
            tessera_files.write_model(self.path("t.zst"), model)
            self.assertEqual(tessera_files.read_model(self.path("t.zst")).config, config)
        record = model.record()
        for changes in ({"scales": [1, 2]}, {"scales": [4]}, {"scales": [2, 2, 4]}, {"scales": 4}, {"phi_count": -1},
                        {"residual_ratio": 2}, {"znorm": 0}, {"scales": None}):
            with self.subTest(changes):
                config = {**sizes, "multi_scale": {**good, **changes}}
                self.assert_defect("badMetadata", tessera_files.read_model, changed(record, config=json.dumps(config)))
        for changes in ({"l2_norm": True}, {"quant_conv_kernel": 2}, {"multi_scale": []}):
            config = {**sizes, "multi_scale": good, **changes}
            self.assert_defect("badMetadata", tessera_files.read_model, changed(record, config=json.dumps(config)))

    def test_round_trips(self):
        for kind in ("ar-model", "fine-model", "var-model", "tokenizer"):
            model = random_model(kind)
            tessera_files.write_model(self.path("m.zst"), model)
            found = tessera_files.read_model(self.path("m.zst"))
            self.assertEqual((found.kind, found.config), (kind, model.config))
            for name, values in model.weights.items():
                np.testing.assert_array_equal(found.weights[name], values)

    def test_mistakes(self):
        model, tokenizer = random_model().record(), random_model("tokenizer").record()
        fine = random_model("fine-model").record()
        name = "layers.1.attention.wqkv.weight"
        nan = model[name].copy()
        nan[1, 2] = np.nan
        cases = [
            ("missingTensor", model, {"without": [name]}), ("wrongShape", model, {"arrays": {name: model[name].T}}),
            ("unexpectedTensor", model, {"arrays": {"extra": nan}}),
            ("valueOutOfRange", model, {"arrays": {name: nan}}),
            ("wrongType", model, {"arrays": {name: model[name].astype(int)}}), ("badMetadata", model, {"config": "[]"}),
            ("badMetadata", model, {"config": model.metadata["config"].replace('"dim":16', '"dim":15')}),
            ("badMetadata", model, {"cluster_size": "3"}), ("badMetadata", model, {"class_names": '["a"]'}),
            ("badMetadata", model, {"config": fine.metadata["config"]}),
            ("missingMetadata", fine, {"cluster_mask": None}),
            ("valueOutOfRange", fine, {"arrays": {"fine_to_coarse": np.full(16, 4)}}),
            ("badMetadata", tokenizer, {"codebook_sha256": HASH}),
        ]
        for defect, record, changes in cases:
            with self.subTest(changes):
                self.assert_defect(defect, tessera_files.read_model, changed(record, **changes))


class FeatureTests(Folder):
    def test_round_trips(self):
        random = np.random.default_rng(0)
        batches = [tessera_files.Features(random.standard_normal((n, 4), np.float32), "some-network", HASH,
                                          logits=random.standard_normal((n, 3)),
                                          pixels_sha256=np.full((n, 32), n, np.uint8)) for n in (5, 2)]
        tessera_files.write_features(self.path("f.zst"), batches)
        found = list(tessera_files.iterate_features(self.path("f.zst")))
        self.assertEqual([len(batch) for batch in found], [5, 2])
        for one, other in zip(batches, found):
            self.assertEqual((other.network, other.weights_sha256), ("some-network", HASH))
            for name in ("features", "logits", "pixels_sha256"):
                np.testing.assert_array_equal(getattr(one, name), getattr(other, name))

    def test_statistics(self):
        values = np.random.default_rng(0).standard_normal((50, 4))
        tessera_files.write_features(self.path("s.zst"), tessera_files.Statistics.of_features(values, network="n"))
        found = tessera_files.read_statistics(self.path("s.zst"))
        self.assertEqual((found.images, found.network), (50, "n"))
        centred = values - values.mean(axis=0)
        np.testing.assert_allclose(found.covariance, centred.T @ centred / 49, rtol=1e-12)

    def test_mistakes(self):
        record = tessera_files.Features(np.zeros((3, 4), np.float32), logits=np.zeros((3, 2), np.float32)).record()
        hashes = {"pixels_sha256": np.zeros((3, 32), np.uint16)}
        for defect, changes in [("missingTensor", {"without": ["features"]}), ("wrongType", {"arrays": hashes}),
                                ("wrongShape", {"arrays": {"logits": np.zeros((2, 2), np.float32)}}),
                                ("wrongType", {"arrays": {"features": np.zeros((3, 4), int)}})]:
            with self.subTest(changes):
                self.assert_defect(defect, list, tessera_files.iterate_features(changed(record, **changes)))
        parts = [tessera_files.Features(np.zeros((3, 4)), network).record() for network in "ab"]
        data = b"".join(written(part).getvalue() for part in parts)
        self.assert_defect("streamMismatch", list, tessera_files.iterate_features(io.BytesIO(data)))


class CheckpointTests(Folder):
    def test_header(self):
        record = Record.of_kind("checkpoint", {"step": "7", "settings": '{"steps":9}'}, {"w": np.zeros((2, 3))})
        found = tessera_files.read_checkpoint(written(record))
        self.assertEqual((found.step, found.settings, found.tensors[0].shape), (7, {"steps": 9}, (2, 3)))
        self.assert_defect("badMetadata", tessera_files.read_checkpoint, changed(record, settings="[]"))
        self.assert_defect("wrongKind", tessera_files.read_checkpoint, written(tokens().record()))


if __name__ == "__main__":
    unittest.main()
