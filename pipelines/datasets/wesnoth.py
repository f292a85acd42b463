#!/usr/bin/env python3
"""Makes folders of classes from the unit sprites of Battle for Wesnoth: train/CLASS/*.png and test/CLASS/*.png.

The classes are the 20 factions with at least 20 sprites. Only the images of exactly 72 x 72 are taken, the game's usual
tile; --any-size takes all. A sprite has up to a hundred frames of animation that hardly differ, so whole sprites go to
train or to test, never some of their frames to both. Needs the package wesnoth-1.16-data (or its unpacked files).
"""

import hashlib
import os
import re

from dataset_folder import BAD_DATA, NO_INPUT, USAGE, ArgumentParser, DatasetError, created, png_size, read_input, run

SOURCE = "/usr/share/games/wesnoth/1.16/data/core/images/units"
REMEDY = "install it: apt-get install --no-install-recommends wesnoth-1.16-data, or name its folder by --source"
TILE = (72, 72)
SMALLEST_CLASS = 20

# Words that say what a frame shows of a sprite, or an effect over it. The first word of a name is never one.
FRAME_WORDS = frozenset("""
    aim alone armageddon attack attacks axe base bite blade blink bob bottom bow breath charge claw claws club crossbow
    crouch dagger death defend die dive draw dust dying e end fall female fire firing fist flame fly flying ftouch glow
    halo hammer hand heal healing hi hit horn hover idle impact inhale jarid javelin kill laugh launch lead leading
    lightning lo low mace magic mask melee move moving n ne nw pierce pincer range ranged recover rise run s se shadow
    shield slash soar spear spit staff stand standing sting stinger sw swoosh sword tail taunt teleport tentacle throw
    throwknife top torch victory w wail water xbow
""".split())


def sprite_name(path):
    """The name of a frame's sprite: `elves-wood/archer+female-bow-3.png` shows `archer`."""
    first, *words = re.split(r"[-_+]", os.path.basename(path).removesuffix(".png"))
    kept = [first]
    for word in words:
        if re.sub(r"\d+(abs)?$", "", word) in FRAME_WORDS | {""}:
            break
        kept.append(word)
    return "-".join(kept)


def read_class(source, name, any_size):
    """Sprite name to a list of (file name, content), both sorted."""
    sprites = {}
    for folder, subfolders, files in os.walk(os.path.join(source, name)):
        subfolders.sort()
        for file in sorted(files):
            if not file.endswith(".png"):
                continue
            path = os.path.join(folder, file)
            content = read_input(path, REMEDY)
            size = png_size(content)
            if size is None:
                raise DatasetError(BAD_DATA, f"{path}: expected a PNG image; install the package again")
            if any_size or size == TILE:
                flat = os.path.relpath(path, os.path.join(source, name)).replace(os.sep, "_")
                sprites.setdefault(sprite_name(path), []).append((flat, content))
    return dict(sorted(sprites.items()))


def choose_test_sprites(class_name, sprites, share):
    """Whole sprites that make up at most the given share of a class's images, at least one sprite, never all."""

    def draw(sprite):
        return hashlib.sha256(f"{class_name}/{sprite}".encode()).digest()

    room = share * sum(map(len, sprites.values()))
    chosen = set()
    for sprite in sorted(sprites, key=draw):
        if len(sprites[sprite]) <= room:
            chosen.add(sprite)
            room -= len(sprites[sprite])
    if not chosen and len(sprites) > 1:
        chosen.add(min(sprites, key=lambda sprite: (len(sprites[sprite]), sprite)))
    return chosen


def main():
    parser = ArgumentParser(__doc__, "wesnoth.py images/wesnoth")
    parser.add_argument("--source", default=SOURCE, metavar="FOLDER", help="default: %(default)s")
    parser.add_argument("--any-size", action="store_true", help="take images of other sizes than 72 x 72 too")
    parser.add_argument("--test-share", type=float, default=0.1, metavar="SHARE",
                        help="of each class's images, at most (default: %(default)s)")
    parser.add_argument("--no-split", action="store_true", help="write CLASS/ without train/ and test/")
    options = parser.parse_args()
    if not 0 < options.test_share < 1:
        parser.exit(USAGE, f"{parser.prog}: --test-share {options.test_share}: expected more than 0, less than 1\n")
    if not os.path.isdir(options.source):
        raise DatasetError(NO_INPUT, f"{options.source}: no such folder; {REMEDY}")
    with created(options.output, options.force) as folder:
        write_images(folder, options)


def write_images(folder, options):
    for name in sorted(os.listdir(options.source)):
        sprites = read_class(options.source, name, options.any_size)
        if sum(map(len, sprites.values())) < SMALLEST_CLASS:
            continue
        held_out = set() if options.no_split else choose_test_sprites(name, sprites, options.test_share)
        for sprite, frames in sprites.items():
            part = "" if options.no_split else "test" if sprite in held_out else "train"
            for file, content in frames:
                folder.add(os.path.join(part, name), file, content)
    if not folder.counts:
        raise DatasetError(BAD_DATA, f"{options.source}: no folder of sprites; expected Wesnoth's images/units")


run(main)
