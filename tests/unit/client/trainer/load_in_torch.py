#!/usr/bin/env python3
"""Trains small models with consilium-trainer from weights that PyTorch wrote. Loads them strictly into the modules that
docs/researcher/models.md shows, and compares PyTorch's results with `consilium-trainer evaluate`, before and after. Needs torch, but
neither numpy nor safetensors. Uses torchvision's modules too if it is installed."""

import ctypes
import hashlib
import importlib.util
import json
import pathlib
import re
import struct
import subprocess
import sys
import tempfile
import zipfile

import torch
from torch import nn
from torch.nn import functional as F

TRAINER, ROOT = sys.argv[1], pathlib.Path(sys.argv[2])
CLASSES = ["nothing", "this", "that"]
KINDS = {"F32": torch.float32, "I64": torch.int64}


def npy(kind, shape, data):
    text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': ({', '.join(map(str, shape))},), }}"
    text += " " * (63 - (len(text) + 10) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode() + data


def bytes_of(tensor):
    return bytes(tensor.flatten().tolist())


def write_npz(path, images, labels):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("train_images.npy", npy("|u1", images.shape, bytes_of(images)))
        archive.writestr("train_labels.npy", npy("|u1", (len(labels), 1), bytes_of(labels)))


def read_safetensors(path):
    raw = bytearray(path.read_bytes())
    (size,) = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8:8 + size])
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        kind = KINDS[entry["dtype"]]
        tensors[name] = torch.frombuffer(raw, dtype=kind, count=(end - begin) // kind.itemsize, offset=8 + size + begin).reshape(entry["shape"]).clone()
    return tensors


def write_safetensors(path, tensors):
    """Writes a file as safetensors.torch.save_file() does: the larger element types first, then by name."""
    names = {kind: name for name, kind in KINDS.items()}
    header, data = {}, bytearray()
    for name, tensor in sorted(tensors.items(), key=lambda item: (-item[1].dtype.itemsize, item[0])):
        whole = tensor.detach().contiguous()
        piece = ctypes.string_at(whole.data_ptr(), whole.numel() * whole.dtype.itemsize)
        header[name] = {"dtype": names[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [len(data), len(data) + len(piece)]}
        data += piece
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def code_of_page():
    """Returns the page's Python blocks. tests/fixtures/trainer/known_models.json must come from the same ones."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs/researcher/models.md").read_text(), re.S)
    made_by = json.loads((ROOT / "tests/fixtures/trainer/known_models.json").read_text())["made_by"]
    assert made_by["page"] == hashlib.sha256("".join(blocks).encode()).hexdigest(), (
        "the code of docs/researcher/models.md has changed since the fixtures were made; run tests/fixtures/make_model_fixtures.py")
    return blocks


def modules_of_page():
    """Returns the definitions of the page's Python blocks; those of torchvision if it is installed."""
    names = {}
    for block in code_of_page():
        if "import torchvision" not in block or importlib.util.find_spec("torchvision"):
            exec(block, names)
    return names


class Classification:
    task, loss = "classification", "cross_entropy"

    def __init__(self, images, labels):
        self.images, self.labels = images, labels

    def write(self, folder):
        write_npz(folder / "data.npz", self.images, self.labels)
        return folder / "data.npz"

    def loss_of(self, module, images):
        return F.cross_entropy(module(images), self.labels).item()


class Segmentation(Classification):
    task = "segmentation"

    def write(self, folder):
        self.write_arrays(folder / "images", self.images.movedim(1, -1))
        self.write_arrays(folder / "masks", self.labels)
        return self.describe(folder, {"masks": "masks"})

    @staticmethod
    def write_arrays(folder, arrays):
        folder.mkdir(exist_ok=True)
        for old in folder.iterdir():
            old.unlink()
        for i, array in enumerate(arrays):
            array = array.squeeze(-1)
            (folder / f"{i}.npy").write_bytes(npy("|u1", array.shape, bytes_of(array)))

    @staticmethod
    def describe(folder, labels):
        (folder / "data.yaml").write_text(json.dumps({
            "type": "image_folder", "path": str(folder), "labels": {**labels, "classes": CLASSES},
            "split": {"shares": [1, 0, 0]}}))
        return folder / "data.yaml"


class Detection(Segmentation):
    """Labels: for each image its boxes, each with left, top, right, bottom and a class."""

    task, loss = "detection", "fcos"

    def write(self, folder):
        self.write_arrays(folder / "images", self.images.movedim(1, -1))
        lines = [f"images/{i}.npy,{left},{top},{right - left},{bottom - top},{CLASSES[kind]}"
                 for i, boxes in enumerate(self.labels) for left, top, right, bottom, kind in boxes]
        (folder / "boxes.csv").write_text("\n".join(["file,x,y,width,height,class", *lines]) + "\n")
        return self.describe(folder, {"boxes": "boxes.csv"})

    def loss_of(self, module, images):
        module.train()
        for part in module.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.eval()
        truths = [{"boxes": torch.tensor(boxes)[:, :4].float(), "labels": torch.tensor(boxes)[:, 4]} for boxes in self.labels]
        return sum(sum(module([image], [truth]).values()).item() for image, truth in zip(images, truths)) / len(images)


def computed_by_trainer(job, model, data):
    told = subprocess.run([TRAINER, "evaluate", job, "--model", model, "--data", data, "--split", "train", "--json"], check=True,
                          capture_output=True).stdout
    return json.loads(told)["loss"]


def check(folder, title, model, module, examples):
    job = folder / "job.yaml"
    job.write_text(json.dumps({
        "name": "load", "model": model, "task": examples.task, "data": {"dataset": "here", "normalize": {"mean": 0.5, "std": 0.25}},
        "training": {"local_epochs": 1, "batch_size": 8, "loss": examples.loss, "optimizer": {"name": "sgd", "learning_rate": 0.05}},
        "federation": {"rounds": 1}, "strategy": {"name": "fedavg"}, "privacy": {"secure_aggregation": "off"}, "seed": 3}))
    data, start, out = examples.write(folder), folder / "start.safetensors", folder / "model.safetensors"
    write_safetensors(start, module.state_dict())
    subprocess.run([TRAINER, "train", job, "--model", start, "--data", data, "--out", out], check=True, stdout=subprocess.DEVNULL)
    losses = []
    for weights in (start, out):
        module.load_state_dict(read_safetensors(weights), strict=True)
        module.eval()
        with torch.no_grad():
            loss = examples.loss_of(module, (examples.images.float() / 255 - 0.5) / 0.25)
        told = computed_by_trainer(job, weights, data)
        assert abs(loss - told) <= 1e-5 * max(1.0, loss), f"{title}: loss {loss} in PyTorch, {told} in the trainer with {weights.name}"
        losses.append(loss)
    assert losses[0] != losses[1], f"{title}: training changed nothing"
    print(f"{title}: loss {losses[0]:.6f} before training and {losses[1]:.6f} after, in both")


def pictures(shape, count=24):
    """Returns noise, with a shade for each of three classes."""
    labels = torch.arange(count) % 3
    shade = (labels * 60).view(-1, *[1] * len(shape))
    return Classification((torch.randint(0, 100, (count, *shape)) + shade).clamp(0, 255).to(torch.uint8), labels)


def outlined(shape, count=3):
    """Returns noise, with a shade for each class of pixels."""
    masks = torch.randint(0, 3, (count, *shape[1:]))
    return Segmentation((torch.randint(0, 100, (count, *shape)) + 60 * masks.unsqueeze(1)).to(torch.uint8), masks)


def plain_cases(page):
    grey, colour = (1, 12, 12), (3, 12, 12)
    layers = [{"conv": {"channels": 8, "kernel": 3, "padding": "same"}}, "batchnorm", "relu", {"maxpool": 2}, "flatten", {"dropout": 0.25},
              {"linear": 3}]
    sequence = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Dropout(0.25),
                             nn.Linear(8 * 6 * 6, 3))
    yield "fedavg_cnn", {"name": "fedavg_cnn"}, page["FedAvgCnn"](grey, 3), pictures(grey)
    yield "fedavg_cnn on colour", {"name": "fedavg_cnn"}, page["FedAvgCnn"](colour, 3), pictures(colour)
    yield "mlp_2nn", {"name": "mlp_2nn"}, page["Mlp2nn"](144, 3), pictures(grey)
    yield "resnet18", {"name": "resnet18"}, page["ResNet18"](3, 3), pictures(colour)
    yield "layers", {"layers": layers}, sequence, pictures(grey)
    yield "unet", {"name": "unet", "width": 8, "depth": 2}, page["UNet"](3, 3, width=8, depth=2), outlined((3, 16, 12))
    yield ("unet for volumes", {"name": "unet", "width": 8, "depth": 1, "norm": "group"},
           page["UNet"](1, 3, 3, width=8, depth=1, norm="group"), outlined((1, 4, 6, 8)))


def torchvision_cases(page):
    colour, picture, volume = (3, 12, 12), (3, 40, 48), (1, 4, 16, 20)
    for name in ("resnet18", "resnet34", "resnet50"):
        yield f"{name} of torchvision", {"name": name, "stem": "imagenet"}, page["resnet"](name, 3, 3, "imagenet"), pictures(picture)
    yield "resnet50, small stem, groups", {"name": "resnet50", "norm": "group"}, page["grouped"](page["resnet"]("resnet50", 3, 3)), pictures(colour)
    yield "densenet121", {"name": "densenet121"}, page["densenet121"](3, 3), pictures(colour)
    yield "densenet121 of torchvision", {"name": "densenet121", "stem": "imagenet"}, page["densenet121"](3, 3, "imagenet"), pictures(picture)
    yield "r3d_18", {"name": "r3d_18"}, page["r3d_18"](1, 3), pictures(volume)
    boxes = [[(10, 20, 61, 71, 0), (5, 3, 121, 123, 1)], [(66, 13, 90, 111, 2)]]
    yield ("fcos_resnet18", {"name": "fcos_resnet18"}, page["fcos_resnet18"]((3, 128, 128), 3),
           Detection(torch.randint(0, 256, (2, 3, 128, 128)).to(torch.uint8), boxes))


def main():
    torch.manual_seed(1)
    torch.set_num_threads(1)
    page = modules_of_page()
    with tempfile.TemporaryDirectory() as folder:
        for cases in (plain_cases, torchvision_cases):
            if cases is torchvision_cases and "torchvision" not in page:
                print("torchvision isn't installed: its modules are compared by tests/fixtures/trainer/known_models.json alone")
                continue
            for title, model, module, examples in cases(page):
                check(pathlib.Path(folder), title, {**model, "input": list(examples.images.shape[1:]), "classes": 3}, module, examples)


if __name__ == "__main__":
    main()
