#!/usr/bin/env python3
"""Writes the image fixtures of this folder with Pillow (made with 12.3.0): python3 make-fixtures.py

Pillow 13 resizes rows before columns where the height shrinks much more than the width, and so rounds otherwise; use
an earlier one.

NAME.png or NAME.jpg is what a test decodes; NAME.expected.png is Pillow's opinion of it in 8-bit RGB.
resize-FILTER-WxH.png is resize-source.png after Image.resize; crop-SIZE.png after LlamaGen's centre crop.
"""

import os
import random
import struct
import sys
import zlib

from PIL import Image, ImageOps

HERE = os.path.dirname(os.path.abspath(__file__))
rng = random.Random(20240229)


def picture(width, height, channels):
    """Smooth gradients with some noise, so that JPEG and filters both have something to do."""
    samples = bytearray()
    for y in range(height):
        for x in range(width):
            base = (x * 255 // max(width - 1, 1), y * 255 // max(height - 1, 1), (x * 7 + y * 11) % 256, 255 - x * y % 256)
            samples += bytes(min(255, max(0, v + rng.randint(-20, 20))) for v in base[:channels])
    mode = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[channels]
    return Image.frombytes(mode, (width, height), bytes(samples))


def save(image, name, **options):
    image.save(os.path.join(HERE, name), **options)


def over_white(image):
    rgba = image.convert("RGBA")
    result = Image.new("RGB", image.size, (255, 255, 255))
    result.paste(rgba, mask=rgba.getchannel("A"))
    return result


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def raw_png(width, height, depth, color, rows, extra=b"", interlace=0):
    """A PNG of unfiltered rows, for what Pillow cannot write."""
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, interlace)
    data = zlib.compress(b"".join(b"\0" + row for row in rows), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def write(name, data):
    with open(os.path.join(HERE, name), "wb") as file:
        file.write(data)


def adam7_rows(image):
    """The rows of the seven passes of an interlaced 8-bit image."""
    width, height = image.size
    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    for x0, y0, dx, dy in passes:
        for y in range(y0, height, dy):
            row = b"".join(bytes(image.getpixel((x, y))) for x in range(x0, width, dx))
            if row:
                yield row


def png_fixtures():
    for name, channels in (("grey", 1), ("grey-alpha", 2), ("rgb", 3), ("rgba", 4)):
        image = picture(19, 13, channels)
        save(image, f"{name}.png")
        save(over_white(image), f"{name}.expected.png")
    palette = picture(19, 13, 3).quantize(13)
    save(palette, "palette.png", transparency=bytes([0, 128, 255, 40]))
    save(over_white(Image.open(os.path.join(HERE, "palette.png"))), "palette.expected.png")
    bilevel = picture(19, 13, 1).convert("1")
    save(bilevel, "bilevel.png")
    save(bilevel.convert("RGB"), "bilevel.expected.png")
    interlaced = picture(19, 13, 3)
    write("interlaced.png", raw_png(19, 13, 8, 2, adam7_rows(interlaced), interlace=1))
    save(Image.open(os.path.join(HERE, "interlaced.png")), "interlaced.expected.png")
    rows = [rng.randbytes(19 * 6) for _ in range(13)]
    write("rgb16.png", raw_png(19, 13, 16, 2, rows))
    save(Image.open(os.path.join(HERE, "rgb16.png")).convert("RGB"), "rgb16.expected.png")
    rows = [rng.randbytes(19 * 2) for _ in range(13)]
    write("grey16.png", raw_png(19, 13, 16, 0, rows))
    high = Image.frombytes("L", (19, 13), b"".join(row[::2] for row in rows))
    save(high.convert("RGB"), "grey16.expected.png")  # the high byte; Pillow clips at 255 instead
    source = picture(19, 13, 3)
    source.putpixel((3, 4), (1, 2, 3))
    save(source, "color-key.png", transparency=(1, 2, 3))
    source.putpixel((3, 4), (255, 255, 255))
    save(source, "color-key.expected.png")


def jpeg_fixtures():
    for name, channels, options in (
        ("photo", 3, {}), ("photo-444", 3, {"subsampling": 0}), ("photo-422", 3, {"subsampling": 1}),
        ("progressive", 3, {"progressive": True}), ("grey", 1, {}),
    ):
        save(picture(37, 29, channels), f"{name}.jpg", quality=80, **options)
        save(Image.open(os.path.join(HERE, f"{name}.jpg")).convert("RGB"), f"{name}.jpg.expected.png")
    inks = picture(37, 29, 4)
    save(Image.frombytes("CMYK", inks.size, inks.tobytes()), "cmyk.jpg", quality=90)
    save(Image.open(os.path.join(HERE, "cmyk.jpg")).convert("RGB"), "cmyk.jpg.expected.png")
    # Pillow writes no YCCK; libjpeg reads the same samples as YCCK when the Adobe marker's transform byte is 2.
    data = bytearray(open(os.path.join(HERE, "cmyk.jpg"), "rb").read())
    data[data.index(b"Adobe") + 11] = 2
    write("ycck.jpg", bytes(data))
    save(Image.open(os.path.join(HERE, "ycck.jpg")).convert("RGB"), "ycck.jpg.expected.png")
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        save(picture(11, 7, 3), f"exif-{orientation}.jpg", quality=90, subsampling=0, exif=exif)
        stored = Image.open(os.path.join(HERE, f"exif-{orientation}.jpg"))
        save(ImageOps.exif_transpose(stored).convert("RGB"), f"exif-{orientation}.jpg.expected.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = picture(11, 7, 3)
    save(turned, "exif-6.png", exif=exif)
    save(ImageOps.exif_transpose(Image.open(os.path.join(HERE, "exif-6.png"))), "exif-6.expected.png", exif=b"")


def center_crop(image, size):
    """LlamaGen's rule, from its description."""
    while min(image.size) >= 2 * size:
        image = image.resize((image.width // 2, image.height // 2), resample=Image.Resampling.BOX)
    scale = size / min(image.size)
    image = image.resize(
        (round(image.width * scale), round(image.height * scale)), resample=Image.Resampling.BICUBIC)
    top, left = (image.height - size) // 2, (image.width - size) // 2
    return image.crop((left, top, left + size, top + size))


def resampling_fixtures():
    source = picture(53, 31, 3)
    save(source, "resize-source.png")
    for width, height in ((53, 7), (9, 31), (26, 15), (1, 1), (101, 67), (3, 80), (90, 2)):
        for name in ("BOX", "BICUBIC"):
            resized = source.resize((width, height), resample=Image.Resampling[name])
            save(resized, f"resize-{name.lower()}-{width}x{height}.png")
    for size in (3, 7, 15, 16, 31, 40):
        save(center_crop(source, size), f"crop-{size}.png")
    # 15 * 10 / 12 = 12.5 rounds to the even 12.
    halves = source.crop((0, 0, 15, 12))
    save(halves, "halves-source.png")
    save(center_crop(halves, 10), "halves-crop-10.png")
    # Of 3:1 and taller, where Pillow 13 takes the rows first.
    tall = picture(33, 110, 3)
    save(tall, "tall-source.png")
    for size in (11, 16, 24):
        save(center_crop(tall, size), f"tall-crop-{size}.png")


png_fixtures()
jpeg_fixtures()
resampling_fixtures()
print("Pillow", Image.__version__, file=sys.stderr)
