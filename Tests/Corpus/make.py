#!/usr/bin/env python3
"""Makes the files of this folder. The first part of a name is the defect that a reader must report."""
import json
import pathlib
import struct
import subprocess

FOLDER = pathlib.Path(__file__).parent


def blob(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def tensor(begin, end, shape, dtype="U8"):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def frame(content, *options):
    run = subprocess.run(["zstd", "-qc", *options], input=content, stdout=subprocess.PIPE, check=True)
    return run.stdout


def mark(records, items, version=1):
    return struct.pack("<II10sHQQ", 0x184D2A5E, 28, b"TESSERAEND", version, records, items)


good = blob({"__metadata__": {"kind": "mapping"}, "x": tensor(0, 4, [2, 2])}, b"abcd")
promised = blob({"__metadata__": {"end_mark": "required"}, "x": tensor(0, 4, [2, 2])}, b"abcd")


def shard(number, first, count=3, total=3, **strings):
    """A part that says which shard it is: one record, which is one item."""
    place = json.dumps({"number": number, "count": count, "first": first, "total": total})
    metadata = {"kind": "mapping", "shard": place, **strings}
    return frame(blob({"__metadata__": metadata, "x": tensor(0, 4, [2, 2])}, b"abcd")) + mark(1, 1)


def seeded(*seeds, later=""):
    """All shards, which runs of these seeds made."""
    def chain(number, seed):
        runs = [{"tool": "sample", "arguments": ["--shard", "slurm"], "seed": seed, "inputs": [{"sha256": "ab"}]}]
        after = [{"tool": later, "arguments": [], "seed": number, "inputs": [{"sha256": f"{number}"}]}] if later else []
        return json.dumps(runs + after)
    places = enumerate(seeds)
    return b"".join(shard(place + 1, place, len(seeds), len(seeds), provenance=chain(place, seed)) for place, seed in places)


flipped = bytearray(frame(good, "--no-compress-literals"))
flipped[flipped.index(b"abcd") + 1] ^= 4

files = {
    "valid.foreign-one-record.zst": frame(good),
    "valid.no-checksum.zst": frame(good, "--no-check") + mark(1, 1),
    "valid.foreign-skippable-frames.zst": struct.pack("<II", 0x184D2A50, 3) + b"abc" + frame(good) + mark(1, 1),
    "valid.no-records.zst": mark(0, 0),
    "valid.plain.safetensors": good,
    "valid.plain-with-promise.safetensors": promised,
    "valid.shards-relabelled-one-by-one.zst": seeded(5, 5, 5, later="relabel-tokens"),
    "valid.shards-some-without-provenance.zst": shard(1, 0) + shard(2, 1, provenance="[]") + shard(3, 2),
    "emptyFile.zst": b"",
    "noRecord.only-a-skippable-frame.zst": struct.pack("<II", 0x184D2A50, 3) + b"abc",
    "notAContainer.text.zst": b"hello, world\n",
    "notAContainer.one-byte.zst": b"\x28",
    "notAContainer.gzip.zst": b"\x1f\x8b\x08\0\0\0\0\0\0\3",
    "truncatedFrame.in-the-data.zst": frame(good)[:-9],
    "truncatedFrame.in-the-checksum.zst": frame(good)[:-1],
    "truncatedFrame.in-the-end-mark.zst": frame(good) + mark(1, 1)[:-1],
    "truncatedFrame.in-the-magic-number.zst": frame(good) + frame(good)[:2],
    "truncatedFrame.absurd-skippable-frame.zst": frame(good) + struct.pack("<II", 0x184D2A50, 2**32 - 1),
    "missingEndMark.two-records.zst": frame(good) * 2,
    "missingEndMark.one-promised.zst": frame(promised),
    "missingEndMark.after-a-concatenation.zst": frame(good) + mark(1, 1) + frame(good),
    "endMarkMismatch.records.zst": frame(good) + mark(2, 2),
    "endMarkMismatch.items.zst": frame(good) + mark(1, 2),
    "endMarkMismatch.first-part-cut.zst": frame(promised) + frame(good) + mark(1, 1),
    "unsupportedVersion.end-mark.zst": frame(good) + mark(1, 1, version=2),
    "checksumMismatch.one-bit.zst": bytes(flipped),
    "corruptFrame.between-frames.zst": frame(good) + b"\0" + mark(1, 1),
    "windowTooLarge.zst": bytes.fromhex("28b52ffd00b0") + b"\x01\0\0",
    "truncatedRecord.empty-frame.zst": frame(b""),
    "truncatedRecord.in-the-header.zst": frame(good[:20]),
    "truncatedRecord.in-the-data.zst": frame(good[:-1]),
    "truncatedRecord.absurd-tensor.zst": frame(blob({"x": tensor(0, 2**39, [2**39])}, b"abcd")),
    "truncatedRecord.plain.safetensors": good[:-1],
    "trailingBytes.zst": frame(good + b"\0"),
    "trailingBytes.two-records-in-a-frame.zst": frame(good + good),
    "trailingBytes.plain-concatenation.safetensors": good + good,
    "headerTooLarge.zst": frame(struct.pack("<Q", 2**63) + b"{}"),
    "headerTooLarge.plain.safetensors": struct.pack("<Q", 100_000_001) + b"{}",
    "headerNotJSON.zst": frame(blob(b"{\"x\": ")),
    "headerNotJSON.empty.zst": frame(blob(b"")),
    "headerNotJSON.list.zst": frame(blob(b"[]")),
    "headerNotJSON.deep.zst": frame(blob(b"{\"x\":" + b"[" * 100_000)),
    "headerNotJSON.fractional-offset.zst": frame(
        blob(b'{"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1.5]}}')),
    "headerNotJSON.absurd-offset.zst": frame(
        blob(b'{"x":{"dtype":"U8","shape":[1],"data_offsets":[0,99999999999999999999]}}')),
    "headerNotJSON.number-in-metadata.zst": frame(blob({"__metadata__": {"a": 1}})),
    "headerNotJSON.invalid-utf8.zst": frame(blob(b'{"__metadata__":{"a":"\xff"}}')),
    "headerNotJSON.utf16.zst": frame(blob(json.dumps({"x": tensor(0, 4, [4])}).encode("utf-16-le"), b"abcd")),
    "headerNotJSON.byte-order-mark.zst": frame(blob(b"\xef\xbb\xbf" + json.dumps({"x": tensor(0, 4, [4])}).encode(), b"abcd")),
    "headerNotJSON.leading-space.zst": frame(blob(b" " + json.dumps({"x": tensor(0, 4, [4])}).encode(), b"abcd")),
    "headerNotJSON.trailing-comma.zst": frame(
        blob(b'{"x":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},}', b"abcd")),
    "headerNotJSON.exponent-size.zst": frame(
        blob(b'{"x":{"dtype":"U8","shape":[4e0],"data_offsets":[0,4]}}', b"abcd")),
    "headerNotJSON.point-size.zst": frame(
        blob(b'{"x":{"dtype":"U8","shape":[4.0],"data_offsets":[0,4]}}', b"abcd")),
    "headerNotJSON.leading-zero.zst": frame(
        blob(b'{"x":{"dtype":"U8","shape":[04],"data_offsets":[0,4]}}', b"abcd")),
    "headerNotJSON.raw-control.zst": frame(blob(b'{"__metadata__":{"a":"\n"}}')),
    "headerNotJSON.half-a-character.zst": frame(blob(b'{"__metadata__":{"a":"\\ud800"}}')),
    "headerNotJSON.two-objects.zst": frame(blob(b"{}{}")),
    "headerNotJSON.single-quotes.zst": frame(blob(b"{'x':1}")),
    "headerNotJSON.missing-dtype.zst": frame(blob({"x": {"shape": [0], "data_offsets": [0, 0]}})),
    "badShape.negative.zst": frame(blob({"x": tensor(0, 4, [-2, -2])}, b"abcd")),
    "badShape.overflow.zst": frame(blob({"x": tensor(0, 0, [2**62, 4])})),
    "badShape.overflow-beside-zero.zst": frame(blob({"x": tensor(0, 0, [0, 2**62, 4])})),
    "badShape.other-size.zst": frame(blob({"x": tensor(0, 4, [5])}, b"abcd")),
    "badShape.offsets-descend.zst": frame(blob({"x": tensor(4, 0, [4])}, b"abcd")),
    "badShape.three-offsets.zst": frame(
        blob({"x": {"dtype": "U8", "shape": [4], "data_offsets": [0, 4, 8]}}, b"abcd")),
    "tensorTooLarge.zst": frame(blob({"x": tensor(0, 2**41, [2**41])})),
    "overlap.zst": frame(blob({"x": tensor(0, 4, [4]), "y": tensor(2, 6, [4])}, b"abcdef")),
    "gap.between.zst": frame(blob({"x": tensor(0, 2, [2]), "y": tensor(3, 4, [1])}, b"abcd")),
    "gap.at-the-start.zst": frame(blob({"x": tensor(1, 4, [3])}, b"abcd")),
    "unknownElementType.zst": frame(blob({"x": tensor(0, 4, [4], "F8_E4M3")}, b"abcd")),
    "duplicateName.zst": frame(
        blob(b'{"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},'
             b'"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', b"a")),
    "duplicateName.escaped.zst": frame(
        blob(b'{"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},'
             b'"\\u0078":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', b"a")),
    "shardMismatch.missing.zst": shard(1, 0) + shard(3, 2),
    "shardMismatch.last-missing.zst": shard(1, 0) + shard(2, 1),
    "shardMismatch.first-missing.zst": shard(2, 1) + shard(3, 2),
    "shardMismatch.doubled.zst": shard(1, 0) + shard(2, 1) + shard(2, 1) + shard(3, 2),
    "shardMismatch.swapped.zst": shard(2, 1) + shard(1, 0) + shard(3, 2),
    "shardMismatch.other-count.zst": shard(1, 0) + shard(2, 1, count=4) + shard(3, 2),
    "shardMismatch.other-whole.zst": shard(1, 0) + shard(2, 1, total=4) + shard(3, 2),
    "shardMismatch.other-cut.zst": shard(1, 0) + shard(2, 2) + shard(3, 2),
    "shardMismatch.other-string.zst": shard(1, 0, note="a") + shard(2, 1, note="a") + shard(3, 2, note="b"),
    "shardMismatch.no-string.zst": shard(1, 0, 2, 2, note="a") + shard(2, 1, 2, 2),
    "shardMismatch.other-seed.zst": seeded(5, 5, 6),
    "shardMismatch.other-seed-before-another-run.zst": seeded(5, 6, later="relabel-tokens"),
    "shardMismatch.too-few-items.zst": shard(1, 0, count=1),
    "shardMismatch.a-whole-between.zst": shard(1, 0) + frame(good) + mark(1, 1) + shard(2, 1) + shard(3, 2),
    "shardMismatch.begins-in-the-middle.zst": frame(good) + mark(1, 1) + shard(3, 2),
    "shardMismatch.within-a-part.zst": shard(1, 0)[:-36] + shard(2, 1)[:-36] + mark(2, 2),
    "duplicateName.metadata.zst": frame(blob(b'{"__metadata__":{"a":"1","a":"2"}}')),
}

if __name__ == "__main__":
    for name, content in files.items():
        (FOLDER / name).write_bytes(content)
