"""Writes DICOM, NIfTI and PNG files with the texts that such files contain, using only the standard library."""

import struct
import zlib

FONT = {  # 5 x 7 pixels for each letter, one number for each row
    "R": (30, 17, 17, 30, 20, 18, 17), "O": (14, 17, 17, 17, 17, 17, 14), "E": (31, 16, 16, 30, 16, 16, 31), "7": (31, 1, 2, 4, 8, 8, 8)}


def burn_in(pixels, side, text="ROE7"):
    """Draws a text of FONT's letters into the upper left of 8-bit pixels, and returns the pixels."""
    drawn = bytearray(pixels)
    for at, letter in enumerate(text):
        for row, bits in enumerate(FONT[letter]):
            for column in range(5):
                if bits >> (4 - column) & 1:
                    drawn[(row + 2) * side + 2 + 6 * at + column] = 255
    return bytes(drawn)


def text_rows(pixels, side):
    """Returns the rows of pixels that burn_in() writes into."""
    return [pixels[row * side:(row + 1) * side] for row in range(2, 9)]


def png(pixels, side, texts=None, exif=None, colour=False):
    """Returns an 8-bit PNG of `side` columns, grey or RGB. `texts` (keyword: text) go into tEXt, zTXt and iTXt chunks in turn, `exif` into
    an eXIf chunk."""
    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    row = side * (3 if colour else 1)
    chunks = [chunk(b"IHDR", struct.pack(">IIBBBBB", side, len(pixels) // row, 8, 2 if colour else 0, 0, 0, 0))]
    for number, (keyword, text) in enumerate((texts or {}).items()):
        key, value = keyword.encode() + b"\0", text.encode()
        chunks.append([chunk(b"tEXt", key + value), chunk(b"zTXt", key + b"\0" + zlib.compress(value)), chunk(b"iTXt", key + b"\0\0\0\0" + value)][number % 3])
    if exif:
        value = exif.encode() + b"\0"  # a TIFF of one tag, ImageDescription
        chunks.append(chunk(b"eXIf", b"II*\0" + struct.pack("<IHHHIII", 8, 1, 270, 2, len(value), 26, 0) + value))
    rows = b"".join(b"\0" + pixels[at:at + row] for at in range(0, len(pixels), row))
    return b"\x89PNG\r\n\x1a\n" + b"".join([*chunks, chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")])


def dicom(pixels, side, tags):
    """Returns a CT image of 8-bit pixels stored in 16 bits, explicit VR little endian. `tags` are (number, VR, text), in any order."""
    def element(number, kind, value):
        value += (b"\0" if kind in ("UI", "OW", "UN") else b" ") * (len(value) % 2)
        head = struct.pack("<HH", number >> 16, number & 0xFFFF) + kind.encode()
        return head + (b"\0\0" + struct.pack("<I", len(value)) if kind in ("OW", "UN", "UT") else struct.pack("<H", len(value))) + value

    image_class, instance = b"1.2.840.10008.5.1.4.1.1.2", next(text for number, _, text in tags if number == 0x00080018).encode()
    meta = element(0x00020002, "UI", image_class) + element(0x00020003, "UI", instance) + element(0x00020010, "UI", b"1.2.840.10008.1.2.1")
    body = {0x00080016: ("UI", image_class), 0x00080060: ("CS", b"CT"), 0x00280004: ("CS", b"MONOCHROME2"),
            0x7FE00010: ("OW", struct.pack(f"<{len(pixels)}H", *pixels)), **{number: (kind, text.encode()) for number, kind, text in tags}}
    for number, value in ((0x00280002, 1), (0x00280010, len(pixels) // side), (0x00280011, side), (0x00280100, 16), (0x00280101, 16), (0x00280102, 15), (0x00280103, 0)):
        body[number] = ("US", struct.pack("<H", value))
    return (bytes(128) + b"DICM" + element(0x00020000, "UL", struct.pack("<I", len(meta))) + meta +
            b"".join(element(number, *body[number]) for number in sorted(body)))


def nifti(values, sides, texts=None):
    """Returns a NIfTI-1 volume of bytes, its sides from the fastest to the slowest or one for all. `texts` are descrip, aux_file,
    intent_name and db_name."""
    texts = {key: text.encode() for key, text in (texts or {}).items()}
    sides = (sides,) * 3 if isinstance(sides, int) else sides
    header = struct.pack("<i10s18sihcB", 348, b"", texts.get("db_name", b""), 0, 0, b"r", 0)
    header += struct.pack("<8h", 3, *sides, 1, 1, 1, 1) + struct.pack("<3f4h", 0, 0, 0, 0, 2, 8, 0)
    header += struct.pack("<8f", 1, 1, 1, 1, 1, 1, 1, 1) + struct.pack("<3fhBB", 352, 1, 0, 0, 0, 2) + struct.pack("<4f2i", 0, 0, 0, 0, 0, 0)
    header += struct.pack("<80s24s", texts.get("descrip", b""), texts.get("aux_file", b"")) + struct.pack("<2h6f", 0, 1, 0, 0, 0, 0, 0, 0)
    header += struct.pack("<12f16s4s", 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, texts.get("intent_name", b""), b"n+1\0")
    assert len(header) == 348, len(header)
    return header + bytes(4) + bytes(values)
