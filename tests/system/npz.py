"""Reads and writes .npz files using only the standard library. This is enough for the test data of the system tests and benchmarks."""

import ast
import struct
import zipfile
from array import array

_CODES = {"|u1": "B", "<f4": "f", "<f8": "d", "<i8": "q", "|i1": "b", "<i4": "i", "<u2": "H"}


class Array:
    """A C-ordered array: dtype as numpy writes it, shape, and raw bytes."""

    def __init__(self, dtype, shape, data):
        self.dtype, self.shape, self.data = dtype, tuple(shape), bytes(data)

    @property
    def row_bytes(self):
        return len(self.data) // self.shape[0] if self.shape and self.shape[0] else 0

    def rows(self, indices):
        size = self.row_bytes
        picked = b"".join(self.data[i * size:(i + 1) * size] for i in indices)
        return Array(self.dtype, (len(indices),) + self.shape[1:], picked)

    def values(self):
        return array(_CODES[self.dtype], self.data)


def read(path):
    arrays = {}
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            raw = archive.read(name)
            assert raw[:6] == b"\x93NUMPY", name
            length, start = (struct.unpack("<H", raw[8:10])[0], 10) if raw[6] == 1 else (struct.unpack("<I", raw[8:12])[0], 12)
            header = ast.literal_eval(raw[start:start + length].decode("latin1"))
            assert not header["fortran_order"], name
            arrays[name.removesuffix(".npy")] = Array(header["descr"], header["shape"], raw[start + length:])
    return arrays


def write(path, arrays):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, value in arrays.items():
            header = repr({"descr": value.dtype, "fortran_order": False, "shape": value.shape})
            header += " " * (-(10 + len(header) + 1) % 64) + "\n"
            archive.writestr(name + ".npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + value.data)


def dataset(train, val=([], []), test=([], []), shape=(28, 28)):
    """Builds MedMNIST's six arrays from (images as bytes objects, labels) for each split."""
    arrays = {}
    for split, (images, labels) in {"train": train, "val": val, "test": test}.items():
        arrays[split + "_images"] = Array("|u1", (len(labels),) + tuple(shape), b"".join(images))
        arrays[split + "_labels"] = Array("|u1", (len(labels), 1), bytes(labels))
    return arrays


def striped_images(count, seed, side=28):
    """Returns a data set that a model learns in seconds: class 0 has bright rows, class 1 bright columns, under noise."""
    import random

    source = random.Random(seed)
    images, labels = [], []
    for index in range(count):
        label = index % 2
        phase = source.randrange(4)
        pixels = bytearray(source.randrange(90) for _ in range(side * side))
        for y in range(side):
            for x in range(side):
                if ((x if label else y) + phase) % 4 == 0:
                    pixels[y * side + x] = 255 - source.randrange(90)
        images.append(bytes(pixels))
        labels.append(label)
    return images, labels
