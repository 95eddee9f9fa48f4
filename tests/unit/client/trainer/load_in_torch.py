#!/usr/bin/env python3
"""Trains small models with consilium-trainer, loads them strictly into the modules that docs/researcher/models.md shows, and
compares what PyTorch computes with `consilium-trainer evaluate`. Needs torch, but neither numpy nor safetensors."""

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


def npy(kind, shape, data):
    text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': ({', '.join(map(str, shape))},), }}"
    text += " " * (63 - (len(text) + 10) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode() + data


def write_npz(path, images, labels):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for split in ("train", "test"):
            archive.writestr(f"{split}_images.npy", npy("|u1", images.shape, bytes(images.flatten().tolist())))
            archive.writestr(f"{split}_labels.npy", npy("|u1", (len(labels), 1), bytes(labels.tolist())))


def read_safetensors(path):
    raw = bytearray(path.read_bytes())
    (size,) = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8:8 + size])
    header.pop("__metadata__", None)
    kinds = {"F32": torch.float32, "I64": torch.int64}
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        tensors[name] = torch.frombuffer(raw, dtype=kinds[entry["dtype"]], count=(end - begin) // (4 if entry["dtype"] == "F32" else 8),
                                         offset=8 + size + begin).reshape(entry["shape"]).clone()
    return tensors


def modules_of_page():
    names = {}
    exec(re.search(r"```python\n(.*?)```", (ROOT / "docs/researcher/models.md").read_text(), re.S).group(1), names)
    return names


def check(folder, title, model, module, images, labels):
    job = folder / "job.yaml"
    job.write_text(json.dumps({
        "name": "load", "model": model, "data": {"dataset": "here", "normalize": {"mean": 0.5, "std": 0.25}},
        "training": {"local_epochs": 1, "batch_size": 8, "optimizer": {"name": "sgd", "learning_rate": 0.05}},
        "federation": {"rounds": 1}, "strategy": {"name": "fedavg"}, "privacy": {"secure_aggregation": "off"}, "seed": 3}))
    data, out = folder / "data.npz", folder / "model.safetensors"
    write_npz(data, images, labels)
    subprocess.run([TRAINER, "train", job, "--data", data, "--out", out], check=True, stdout=subprocess.DEVNULL)
    told = json.loads(subprocess.run([TRAINER, "evaluate", job, "--model", out, "--data", data, "--json"], check=True,
                                     capture_output=True).stdout)
    module.load_state_dict(read_safetensors(out), strict=True)
    module.eval()
    with torch.no_grad():
        logits = module((images.float() / 255 - 0.5) / 0.25)
    loss = F.cross_entropy(logits, labels).item()
    accuracy = (logits.argmax(1) == labels).float().mean().item()
    assert abs(loss - told["loss"]) <= 1e-5 * max(1.0, loss), f"{title}: loss {loss} in PyTorch, {told['loss']} in the trainer"
    assert abs(accuracy - told["accuracy"]) <= 1e-6, f"{title}: accuracy {accuracy} in PyTorch, {told['accuracy']} in the trainer"
    print(f"{title}: loss {loss:.6f} in both")


def main():
    torch.manual_seed(1)
    torch.set_num_threads(1)
    page = modules_of_page()
    grey, colour = (1, 12, 12), (3, 12, 12)
    labels = torch.arange(24) % 3
    shade = (labels * 60).view(-1, 1, 1, 1)
    pictures = {shape: (torch.randint(0, 100, (24, *shape)) + shade).clamp(0, 255).to(torch.uint8) for shape in (grey, colour)}
    layers = [{"conv": {"channels": 8, "kernel": 3, "padding": "same"}}, "batchnorm", "relu", {"maxpool": 2}, "flatten", {"dropout": 0.25},
              {"linear": 3}]
    sequence = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Dropout(0.25),
                             nn.Linear(8 * 6 * 6, 3))
    cases = [
        ("fedavg_cnn", {"name": "fedavg_cnn"}, page["FedAvgCnn"](grey, 3), grey),
        ("fedavg_cnn on colour", {"name": "fedavg_cnn"}, page["FedAvgCnn"](colour, 3), colour),
        ("mlp_2nn", {"name": "mlp_2nn"}, page["Mlp2nn"](144, 3), grey),
        ("resnet18", {"name": "resnet18"}, page["ResNet18"](3, 3), colour),
        ("layers", {"layers": layers}, sequence, grey),
    ]
    with tempfile.TemporaryDirectory() as folder:
        for title, model, module, shape in cases:
            # N x H x W for grey images, as numpy files of MedMNIST have them
            check(pathlib.Path(folder), title, {**model, "input": list(shape), "classes": 3}, module, pictures[shape], labels)


if __name__ == "__main__":
    main()
