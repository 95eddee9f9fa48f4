"""The models whose training is measured beside PyTorch's, and the data for them: for benchmarks/training and tests/cuda/speed.py."""

import dataclasses
import json
import os
import pathlib
import random
import struct
import subprocess
import zlib

import npz
from trainer_host import CLASSIFICATION, read_safetensors

ROOT = pathlib.Path(__file__).resolve().parents[1]


@dataclasses.dataclass
class Case:
    """One model; a new one is one more entry of CASES."""

    title: str
    model: dict  # the job's model
    module: str  # the Python expression that builds the same, over the classes of pytorch_training.py
    batch_size: int
    images: int
    map: list = None  # sides of a segmentation's map

    @property
    def task(self):
        return {"name": "segmentation"} if self.map else CLASSIFICATION

    @property
    def loss(self):
        return "cross_entropy"

    def normalize(self, files):
        """The job's: arrays of bytes are divided by 255 before, image files and masks' images aren't."""
        return {"mean": [127.5], "std": [127.5]} if self.map or files else {"mean": [0.5], "std": [0.5]}


CASES = {
    "small_cnn": Case("fedavg_cnn, 3x64x64", {"name": "fedavg_cnn", "input": [3, 64, 64], "classes": 2}, "FedAvgCnn((3, 64, 64), classes=2)", 32, 512),
    "resnet18": Case("ResNet-18, 3x224x224", {"name": "resnet18", "stem": "imagenet", "input": [3, 224, 224], "classes": 2}, "ImageNetResNet(18, 2)", 16, 64),
    "resnet50": Case("ResNet-50, 3x224x224", {"name": "resnet50", "stem": "imagenet", "input": [3, 224, 224], "classes": 2}, "ImageNetResNet(50, 2)", 16, 32),
    "unet2d": Case("U-Net, 3x128x128, width 32", {"name": "unet", "input": [3, 128, 128], "classes": 2}, "UNet(3, 2, 2, 32, 4)", 8, 32, [128, 128]),
    "unet3d": Case("U-Net, 1x32x48x32, width 16, depth 3", {"name": "unet", "width": 16, "depth": 3, "input": [1, 32, 48, 32], "classes": 2},
                   "UNet(1, 2, 3, 16, 3)", 2, 16, [32, 48, 32]),
}


def png(pixels, height, width, channels):
    """An 8-bit PNG."""
    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    row = width * channels
    lines = b"".join(b"\0" + pixels[at:at + row] for at in range(0, height * row, row))
    head = struct.pack(">IIBBBBB", width, height, 8, {1: 0, 3: 2}[channels], 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(lines, 1)) + chunk(b"IEND", b"")


def nifti(voxels, depth, height, width):
    """A NIfTI-1 file of bytes whose axes are RAS, with depth the third of its dimensions."""
    head = struct.pack("<i", 348) + bytes(36) + struct.pack("<8h", 3, width, height, depth, 1, 1, 1, 1) + bytes(14) + struct.pack("<2h", 2, 8) + bytes(2)
    head += struct.pack("<8f", 1, 1, 1, 1, 1, 1, 1, 1) + struct.pack("<f", 352) + bytes(16 + 24 + 104 + 24) + bytes(4)
    head = head[:252] + struct.pack("<2h", 0, 1) + bytes(24)
    head += struct.pack("<12f", 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0) + bytes(16) + b"n+1\0" + bytes(4)
    assert len(head) == 352, len(head)
    return head + voxels


def segmentation_folder(case, folder):
    """Random images with random masks, as files and a table."""
    if not folder.exists():
        folder.mkdir(parents=True)
        write = nifti if len(case.map) == 3 else png
        ending = "nii" if len(case.map) == 3 else "png"
        channels = case.model["input"][0]
        size = 1
        for side in case.map:
            size *= side
        lines = ["file,mask"]
        for number in range(case.images):
            (folder / f"i{number}.{ending}").write_bytes(write(os.urandom(size * channels), *case.map, *([channels] if ending == "png" else [])))
            mask = bytes(byte & 1 for byte in os.urandom(size))
            (folder / f"m{number}.{ending}").write_bytes(write(mask, *case.map, *([1] if ending == "png" else [])))
            lines.append(f"i{number}.{ending},m{number}.{ending}")
        (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    return {"type": "table", "path": str(folder), "labels": {"table": "labels.csv", "key": "file", "mask": "mask"}, "split": {"shares": [1, 0, 0]}}


def noise(case, file):
    """Random bytes as images in an .npz file."""
    if not file.exists():
        size = 1
        for side in case.model["input"]:
            size *= side
        draw = random.Random(5)
        npz.write(file, {"train_images": npz.Array("|u1", (case.images, *case.model["input"]), os.urandom(case.images * size)),
                         "train_labels": npz.Array("|u1", (case.images, 1), bytes(draw.randrange(2) for _ in range(case.images)))})
    return str(file)


def data_of(case, files, work):
    """Returns what the trainer is to read, and how many images that is."""
    if case.map:
        return segmentation_folder(case, work / f"{case.module}-{case.images}"), case.images
    if files:
        size = case.model["input"][1:]
        return ({"type": "image_folder", "path": files, "split": {"shares": [1, 0, 0]}, "preprocess": {"size": size}},
                sum(1 for path in pathlib.Path(files).glob("*/*") if path.is_file()))
    return noise(case, work / f"{case.module}-{case.images}.npz"), case.images


def weights_of(case, trainer, work, environment=None):
    """Weights to begin with, as bytes of float32: those after a step on two images."""
    out = work / f"{case.module}.safetensors"
    if not out.exists():
        two = dataclasses.replace(case, images=2)
        job, data = work / "job.yaml", work / "two.yaml"
        job.write_text(json.dumps({
            "name": "start", "model": case.model, "data": {"dataset": "here", "normalize": {"mean": 127.5, "std": 127.5}}, "task": case.task["name"], "seed": 3,
            "federation": {"rounds": 1}, "training": {"batch_size": 2, "optimizer": {"name": "sgd", "learning_rate": 1e-6}},
            "privacy": {"secure_aggregation": "off"}}))
        source = segmentation_folder(two, work / f"{case.module}-two") if case.map else {"type": "npz", "path": noise(two, work / f"{case.module}-two.npz")}
        data.write_text(json.dumps(source))
        subprocess.run([trainer, "train", job, "--data", data, "--out", out], check=True, stdout=subprocess.DEVNULL, env=environment)
    return read_safetensors(out)[1]
