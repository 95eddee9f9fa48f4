"""Trains a model in Python's PyTorch as its users do, beside the trainer: for benchmarks/training and tests/cuda/speed.py.

The first argument is a JSON object: module (an expression over the classes below and those of docs/researcher/models.md), input, map (side lengths of a
segmentation's map, or nothing), batch_size, images, device, threads, channels_last, precision, tf32, deterministic, and folder: image files that a
DataLoader reads, instead of random bytes in memory. Answers each line of its input with the images per second of one more epoch, as JSON.
"""

import json
import pathlib
import re
import resource
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F

ROOT = pathlib.Path(__file__).resolve().parents[1]
# BasicBlock, UNet and the others that the documents show.
exec(re.search(r"```python\n(.*?)```", (ROOT / "docs/researcher/models.md").read_text(), re.S).group(1))


class Bottleneck(nn.Module):
    def __init__(self, inputs, width, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(inputs, width, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = nn.Conv2d(width, 4 * width, 1, bias=False), nn.BatchNorm2d(4 * width)
        self.downsample = None
        if stride != 1 or inputs != 4 * width:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, 4 * width, 1, stride, bias=False), nn.BatchNorm2d(4 * width))

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = F.relu(self.bn2(self.conv2(y)), inplace=True)
        return F.relu(self.bn3(self.conv3(y)) + (x if self.downsample is None else self.downsample(x)), inplace=True)


class ImageNetResNet(nn.Sequential):
    """ResNet-18 or -50 with torchvision's stem, of three channels."""

    def __init__(self, depth, classes):
        block, counts, growth = {18: (BasicBlock, (2, 2, 2, 2), 1), 50: (Bottleneck, (3, 4, 6, 3), 4)}[depth]
        layers = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)]
        inputs = 64
        for level, count in enumerate(counts):
            for number in range(count):
                layers.append(block(inputs, 64 << level, 2 if level and not number else 1))
                inputs = growth * (64 << level)
        super().__init__(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, classes))


class Folder(torch.utils.data.Dataset):
    """Image files of a folder a class, as a user of DataLoader reads them with Pillow."""

    def __init__(self, folder, shape):
        self.files = sorted(path for path in pathlib.Path(folder).glob("*/*") if path.is_file())
        self.classes = sorted({path.parent.name for path in self.files})
        self.shape = shape

    def __len__(self):
        return len(self.files)

    def __getitem__(self, index):
        import numpy
        from PIL import Image
        with Image.open(self.files[index]) as image:
            pixels = image.convert("RGB" if self.shape[0] == 3 else "L").resize((self.shape[2], self.shape[1]), Image.Resampling.BILINEAR)
        values = torch.from_numpy(numpy.array(pixels, dtype=numpy.uint8))
        return values.permute(2, 0, 1) if self.shape[0] == 3 else values[None], self.classes.index(self.files[index].parent.name)


def main():
    order = json.loads(sys.argv[1])
    device = torch.device(order["device"])
    torch.set_num_threads(order["threads"])
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = order["tf32"]
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = order["deterministic"], not order["deterministic"]
    shape = order["input"]
    layout = torch.contiguous_format
    if order["channels_last"]:
        layout = torch.channels_last if len(shape) == 3 else torch.channels_last_3d
    torch.manual_seed(1)
    model = eval(order["module"]).to(device).to(memory_format=layout).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9)
    halved = order["precision"] == "bf16"

    if order["folder"]:
        loader = torch.utils.data.DataLoader(Folder(order["folder"], shape), order["batch_size"], shuffle=True, num_workers=order["threads"],
                                             pin_memory=device.type == "cuda", persistent_workers=True)
        count = len(loader.dataset)
    else:
        count = order["images"]
        images = torch.randint(0, 256, (count, *shape), dtype=torch.uint8, device=device)
        labels = torch.randint(0, 2, (count, *(order["map"] or [])), device=device)

    def batches():
        if order["folder"]:
            yield from loader
            return
        for rows in torch.randperm(count).split(order["batch_size"]):
            rows = rows.to(device, non_blocking=True)
            yield images.index_select(0, rows), labels.index_select(0, rows)

    def wait():
        if device.type == "cuda":
            torch.cuda.synchronize()

    def epoch():
        total = 0.0
        for batch, target in batches():
            batch = batch.to(device, non_blocking=True)
            batch = ((batch.float() / 255 - 0.5) / 0.5).contiguous(memory_format=layout)
            optimizer.zero_grad(set_to_none=True)
            with torch.autocast(device.type, dtype=torch.bfloat16, enabled=halved):
                outputs = model(batch)
            loss = F.cross_entropy(outputs.float(), target.to(device, non_blocking=True))
            loss.backward()
            optimizer.step()
            total += loss.detach()
        return float(total)

    epoch()
    for _ in sys.stdin:
        wait()
        start = time.perf_counter()
        epoch()
        wait()
        seconds = time.perf_counter() - start
        on_card = torch.cuda.max_memory_reserved(device) / 2**20 if device.type == "cuda" else 0.0
        print(json.dumps({"rate": count / seconds, "resident_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "device_mib": on_card,
                          "torch": torch.__version__}), flush=True)


main()
