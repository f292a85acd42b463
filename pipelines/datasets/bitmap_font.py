"""Colour bitmap fonts: from code points to the PNG that the font holds for them (OpenType cmap, GSUB, CBLC, CBDT)."""

import struct

VARIATION_SELECTOR_16 = 0xFE0F


class FontError(Exception):
    """The font is damaged, or not of the kind read here."""


class Table:
    """Big-endian reads from one table; offsets beyond its end are a FontError."""

    def __init__(self, data, start=0):
        self.data = data
        self.start = start

    def at(self, offset):
        return Table(self.data, self.start + offset)

    def read(self, layout, offset):
        try:
            return struct.unpack_from(">" + layout, self.data, self.start + offset)
        except struct.error as error:
            raise FontError("an offset points outside its table") from error

    def u16(self, offset):
        return self.read("H", offset)[0]

    def u32(self, offset):
        return self.read("I", offset)[0]

    def array16(self, offset):
        """A count followed by that many 16-bit numbers."""
        return self.read(f"{self.u16(offset)}H", offset + 2)


class BitmapFont:
    """A font whose glyphs are PNG files."""

    def __init__(self, data):
        tables = read_directory(data)
        self.glyph_of_character = read_character_map(tables["cmap"])
        self.ligatures = read_ligatures(tables["GSUB"])
        self.pictures = read_pictures(tables["CBLC"], tables["CBDT"])

    def picture(self, code_points):
        """The PNG for a sequence of code points, or None when the font has no single glyph for it."""
        glyphs = [self.glyph_of_character.get(c) for c in code_points
                  if c in self.glyph_of_character or c != VARIATION_SELECTOR_16]
        if None in glyphs:
            return None
        glyphs = self.shaped(glyphs)
        return self.pictures.get(glyphs[0]) if len(glyphs) == 1 else None

    def shaped(self, glyphs):
        """The glyphs after the font's ligatures, lookup by lookup, first match first."""
        for lookup in self.ligatures:
            result, position = [], 0
            while position < len(glyphs):
                glyph, length = match_ligature(lookup, glyphs, position)
                result.append(glyph)
                position += length
            glyphs = result
        return glyphs


def match_ligature(lookup, glyphs, position):
    for rest, ligature in lookup.get(glyphs[position], ()):
        if tuple(glyphs[position + 1:position + 1 + len(rest)]) == rest:
            return ligature, 1 + len(rest)
    return glyphs[position], 1


def read_directory(data):
    font = Table(data)
    tables = {}
    for i in range(font.u16(4)):
        tag, _, start, length = font.read("4sIII", 12 + 16 * i)
        if start + length > len(data):
            raise FontError(f"table {tag!r} reaches beyond the end of the file")
        tables[tag.decode("latin-1")] = Table(data[start:start + length])
    missing = {"cmap", "GSUB", "CBLC", "CBDT"} - tables.keys()
    if missing:
        raise FontError("not a colour bitmap font: no table " + ", ".join(sorted(missing)))
    return tables


def read_character_map(cmap):
    """Code point to glyph, from the format 12 subtable."""
    for i in range(cmap.u16(2)):
        subtable = cmap.at(cmap.u32(4 + 8 * i + 4))
        if subtable.u16(0) == 12:
            glyphs = {}
            for group in range(subtable.u32(12)):
                first, last, glyph = subtable.read("III", 16 + 12 * group)
                if last > 0x10FFFF:
                    raise FontError("a character beyond Unicode")
                glyphs.update((c, glyph + c - first) for c in range(first, last + 1))
            return glyphs
    raise FontError("no character map of format 12")


def read_ligatures(substitutions):
    """Of each ligature lookup: first glyph to a list of (the other glyphs, ligature)."""
    lookups = substitutions.at(substitutions.u16(8))
    found = []
    for offset in lookups.array16(0):
        lookup = lookups.at(offset)
        if lookup.u16(0) != 4:
            continue
        ligatures = {}
        for subtable in map(lookup.at, lookup.array16(4)):
            for first, at in zip(read_coverage(subtable.at(subtable.u16(2))), subtable.array16(4)):
                ligatures.setdefault(first, []).extend(read_ligature_set(subtable.at(at)))
        found.append(ligatures)
    return found


def read_ligature_set(ligature_set):
    for ligature in map(ligature_set.at, ligature_set.array16(0)):
        glyph, count = ligature.read("HH", 0)
        yield ligature.read(f"{count - 1}H", 4), glyph


def read_coverage(coverage):
    """The glyphs of a coverage table, in order."""
    if coverage.u16(0) == 1:
        return list(coverage.array16(2))
    glyphs = []
    for i in range(coverage.u16(2)):
        first, last, _ = coverage.read("HHH", 4 + 6 * i)
        glyphs.extend(range(first, last + 1))
    return glyphs


def read_pictures(locations, bitmaps):
    """Glyph to PNG bytes, from the first strike: index format 1, image format 17."""
    if locations.u32(4) < 1:
        raise FontError("no bitmap strike")
    subtables = locations.at(locations.u32(8))
    pictures = {}
    for i in range(locations.u32(16)):
        first, last, offset = subtables.read("HHI", 8 * i)
        subtable = subtables.at(offset)
        index_format, image_format, start = subtable.read("HHI", 0)
        if (index_format, image_format) != (1, 17):
            raise FontError(f"index format {index_format}, image format {image_format}; expected 1 and 17")
        offsets = subtable.read(f"{last - first + 2}I", 8)
        for glyph, here, after in zip(range(first, last + 1), offsets, offsets[1:]):
            if after > here:
                # Five bytes of metrics and the length come first.
                length = bitmaps.u32(start + here + 5)
                pictures[glyph] = bitmaps.read(f"{length}s", start + here + 9)[0]
    return pictures
