#!/usr/bin/env python3
"""Makes a folder of classes from the installed emoji font: GROUP/NNNN-name.png, 3655 RGBA images of 136 x 128.

The images are the PNGs inside Noto Color Emoji, unchanged; groups and names are Unicode's. NNNN is the place in
Unicode's list, so an emoji keeps its name whatever is left out. Needs the packages fonts-noto-color-emoji and
unicode-data.
"""

import re

from bitmap_font import BitmapFont, FontError
from dataset_folder import BAD_DATA, ArgumentParser, DatasetError, created, png_size, read_input, run, slug

FONT = "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf"
NAMES = "/usr/share/unicode/emoji/emoji-test.txt"
REMEDY = "install it: apt-get install fonts-noto-color-emoji unicode-data"
SKIN_TONES = range(0x1F3FB, 0x1F400)

GROUP_LINE = re.compile(r"# group: (.+)")
EMOJI_LINE = re.compile(r"([0-9A-F ]+?) *; fully-qualified +# \S+ E\d+\.\d+ (.+)")


def read_names(text):
    """(group, name, code points) of each fully-qualified emoji, in order."""
    group = None
    for line in text.splitlines():
        if match := GROUP_LINE.match(line):
            group = match[1]
        elif match := EMOJI_LINE.match(line):
            yield group, match[2], [int(c, 16) for c in match[1].split()]


def main():
    parser = ArgumentParser(__doc__, "emoji.py --no-skin-tones images/emoji")
    parser.add_argument("--no-skin-tones", action="store_true", help="leave out the variants by skin tone")
    parser.add_argument("--font", default=FONT, metavar="FILE", help="default: %(default)s")
    parser.add_argument("--names", default=NAMES, metavar="FILE", help="default: %(default)s")
    options = parser.parse_args()
    data = read_input(options.font, REMEDY)
    text = read_input(options.names, REMEDY).decode("utf-8", "replace")
    try:
        font = BitmapFont(data)
    except FontError as error:
        raise DatasetError(BAD_DATA, f"{options.font}: {error}") from error
    with created(options.output, options.force) as folder:
        write_images(folder, font, text, options)


def write_images(folder, font, text, options):
    missing = []
    for number, (group, name, code_points) in enumerate(read_names(text)):
        if options.no_skin_tones and any(c in SKIN_TONES for c in code_points):
            continue
        picture = font.picture(code_points)
        if picture is None or png_size(picture) is None:
            missing.append(name)
        else:
            folder.add(slug(group), f"{number:04d}-{slug(name)}.png", picture)
    if missing:
        # Another version of the font would silently make another data set.
        raise DatasetError(
            BAD_DATA, f"{options.font}: no picture for {len(missing)} emoji of {options.names}, "
            f"first '{missing[0]}'; expected one for each: take both from the same Debian release")
    if not folder.counts:
        raise DatasetError(BAD_DATA, f"{options.names}: no fully-qualified emoji; expected Unicode's emoji-test.txt")


run(main)
