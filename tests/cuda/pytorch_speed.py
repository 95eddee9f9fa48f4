"""Trains a model in Python's PyTorch as the trainer does, data on the card, and prints its images per second as JSON: for speed.py."""

import json
import pathlib
import re
import statistics
import sys
import time

import torch
from torch.nn import functional as F

ROOT = pathlib.Path(__file__).resolve().parents[2]


def module_of(expression):
    names = {}
    exec(re.search(r"```python\n(.*?)```", (ROOT / "docs/researcher/models.md").read_text(), re.S).group(1), names)
    return eval(expression, names)


def main():
    order = json.loads(sys.argv[1])
    device = torch.device(order["device"])
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = order["tf32"]
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = order["deterministic"], not order["deterministic"]
    layout = torch.channels_last if order["channels_last"] else torch.contiguous_format
    torch.manual_seed(1)
    model = module_of(order["module"]).to(device).to(memory_format=layout).train()
    images = torch.randint(0, 256, (order["images"], *order["input"]), dtype=torch.uint8, device=device)
    labels = torch.randint(0, 2, (order["images"],), device=device)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9)

    def wait():
        if device.type == "cuda":
            torch.cuda.synchronize()

    def epoch():
        total = 0.0
        for rows in torch.randperm(order["images"]).split(order["batch_size"]):
            rows = rows.to(device, non_blocking=True)
            batch = ((images.index_select(0, rows).float() / 255 - 0.5) / 0.5).contiguous(memory_format=layout)
            optimizer.zero_grad(set_to_none=True)
            loss = F.cross_entropy(model(batch), labels.index_select(0, rows))
            loss.backward()
            optimizer.step()
            total += loss.detach()
        return float(total)

    epoch()
    seconds = []
    for _ in range(order["epochs"]):
        wait()
        start = time.perf_counter()
        epoch()
        wait()
        seconds.append(time.perf_counter() - start)
    memory = torch.cuda.max_memory_reserved(device) / 2**20 if device.type == "cuda" else 0.0
    print(json.dumps({"rate": order["images"] / statistics.median(seconds), "memory": memory, "torch": torch.__version__}))


main()
