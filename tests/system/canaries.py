"""Searches everything that leaves a site for texts and pixels that must not be in it, in every encoding that could hide them."""

import base64
import struct
import zlib

MAX_UNPACKED = 1 << 26
GZIP, ZLIB = b"\x1f\x8b\x08", (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")


def base64_forms(content):
    """Returns the part of Base64 text that is the same whatever precedes and follows the content, for each of its three possible
    alignments."""
    forms = []
    for before in range(3):
        text = base64.b64encode(bytes(before) + content + bytes(2))
        forms.append(text[(before * 8 + 5) // 6:(before + len(content)) * 8 // 6])
    return forms


def forms_of(text):
    """Returns the byte forms of a text: {name of the form: (bytes, whether letters' case counts)}."""
    forms = {}
    for encoding in ("utf-8", "utf-16-le", "utf-16-be"):
        forms[encoding] = (text.encode(encoding).lower(), False)
        forms[f"hex of {encoding}"] = (text.encode(encoding).hex().encode(), False)
        for case, written in (("as it is", text), ("lower case", text.lower()), ("upper case", text.upper())):
            forms[f"hex of {encoding}, {case}"] = (written.encode(encoding).hex().encode(), False)
            for number, form in enumerate(base64_forms(written.encode(encoding))):
                forms[f"base64 of {encoding}, {case}, {number}"] = (form, True)
                forms[f"base64url of {encoding}, {case}, {number}"] = (form.replace(b"+", b"-").replace(b"/", b"_"), True)
    return forms


def forms_of_pixels(row):
    """Returns the byte forms of a row of 8-bit pixels: bytes, 16-bit and 32-bit numbers, and floats of usual scales."""
    forms = {"bytes": (row, True), "hex": (row.hex().encode(), False)}
    for order in "<>":
        forms[order + "uint16"] = (struct.pack(f"{order}{len(row)}H", *row), True)
        forms[order + "int32"] = (struct.pack(f"{order}{len(row)}i", *row), True)
        for name, scaled in (("value", row), ("value / 255", [value / 255 for value in row]), ("(value / 255 - 0.5) / 0.5", [(value / 255 - 0.5) / 0.5 for value in row])):
            forms[f"{order}float32 of {name}"] = (struct.pack(f"{order}{len(row)}f", *scaled), True)
    for number, form in enumerate(base64_forms(row)):
        forms[f"base64, {number}"] = (form, True)
    return forms


def unpacked(content, depth=2):
    """Yields the content, its decompression by gzip and zlib wherever one of their headers appears, and recursively that of the result."""
    yield content
    if depth == 0:
        return
    for magic, bits in ((GZIP, 31), *((header, 15) for header in ZLIB)):
        at = content.find(magic)
        while at >= 0:
            try:
                inner = zlib.decompressobj(bits).decompress(content[at:], MAX_UNPACKED)
            except zlib.error:
                inner = b""
            if len(inner) > 4:
                yield from unpacked(inner, depth - 1)
            at = content.find(magic, at + 1)


class Canaries:
    """The texts and pixels to search for: {name: forms}, as forms_of() and forms_of_pixels() return them."""

    def __init__(self, texts=None, pixels=None, exact=None):
        self.forms = {f"{name}: {text}": forms_of(text) for name, text in (texts or {}).items()}
        self.forms.update({name: forms_of_pixels(row) for name, row in (pixels or {}).items()})
        self.forms.update({name: {"bytes": (content, True)} for name, content in (exact or {}).items()})

    def found_in(self, content):
        """Returns every canary in the content, as (canary, form, surrounding bytes)."""
        found = []
        for layer in unpacked(bytes(content)):
            lower = layer.lower()
            for name, forms in self.forms.items():
                for form, (needle, exact) in forms.items():
                    at = (layer if exact else lower).find(needle)
                    if at >= 0:
                        found.append((name, form, layer[max(0, at - 60):at + len(needle) + 20]))
        return found
