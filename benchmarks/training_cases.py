"""The models whose training is measured beside PyTorch's, and the data for them: for benchmarks/training and tests/cuda/speed.py."""

import dataclasses
import json
import math
import os
import pathlib
import random
import subprocess

import npz
from medicalfiles import nifti, png
from trainer_host import CLASSIFICATION, read_safetensors


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


def segmentation_folder(case, folder):
    """Random images with random masks, as files and a table."""
    if not folder.exists():
        folder.mkdir(parents=True)
        channels, volume = case.model["input"][0], len(case.map) == 3
        ending = "nii" if volume else "png"

        def write(name, values, colour):
            (folder / name).write_bytes(nifti(values, case.map[::-1]) if volume else png(values, case.map[1], colour=colour))

        size = math.prod(case.map)
        lines = ["file,mask"]
        for number in range(case.images):
            image, mask = f"i{number}.{ending}", f"m{number}.{ending}"
            write(image, os.urandom(size * channels), channels == 3)
            write(mask, bytes(byte & 1 for byte in os.urandom(size)), False)
            lines.append(f"{image},{mask}")
        (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    return {"type": "table", "path": str(folder), "labels": {"table": "labels.csv", "key": "file", "mask": "mask"}, "split": {"shares": [1, 0, 0]}}


def noise(case, file):
    """Random bytes as images in an .npz file."""
    if not file.exists():
        size = math.prod(case.model["input"])
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
