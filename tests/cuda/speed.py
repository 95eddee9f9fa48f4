"""Images per second of the trainer on a GPU, beside the same model in Python's PyTorch, and how long the card is idle in a round.

The idle share is measured from outside, by nvidia-smi's utilization.gpu (the share of its sampling period in which a kernel ran), while one
warm trainer does rounds back to back: model in, local epoch, delta out.
"""

import dataclasses
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import threading
import time

from checks import NORMALIZE
from steps import StepFailed


@dataclasses.dataclass
class Measured:
    """One line of the table. A new model is one more entry of MODELS."""

    name: str
    model: dict  # the job's model
    module: str  # the Python expression that builds the same, with the classes of docs/researcher/models.md
    batch_size: int
    images: int
    rounds: int = 3


MODELS = [
    Measured("ResNet-18 (MedMNIST's stem), 3x224x224, batch 32, float32", {"name": "resnet18", "input": [3, 224, 224], "classes": 2},
             "ResNet18(channels=3, classes=2)", 32, 512),
    Measured("fedavg_cnn, 1x28x28, batch 32, float32", {"name": "fedavg_cnn", "input": [1, 28, 28], "classes": 2},
             "FedAvgCnn((1, 28, 28), classes=2)", 32, 32768, 5),
]
# (title, settings of pytorch_speed.py): the first is what the trainer does, the others what PyTorch's users do.
PEERS = [
    ("PyTorch, the trainer's settings", {"channels_last": False, "tf32": False, "deterministic": True}),
    ("PyTorch, channels_last", {"channels_last": True, "tf32": False, "deterministic": True}),
    ("PyTorch, channels_last, cuDNN's own choice, TF32", {"channels_last": True, "tf32": True, "deterministic": False}),
]


class Utilization:
    """Samples nvidia-smi's utilisation and memory of a card while it is open."""

    def __init__(self, device):
        self.samples, self.process = [], None
        if not shutil.which("nvidia-smi"):
            return
        reader, writer = os.openpty()  # a terminal gets each line at once, a pipe when a buffer is full
        self.lines = os.fdopen(reader, errors="replace")
        self.process = subprocess.Popen(["nvidia-smi", "-i", device.partition(":")[2] or "0", "--query-gpu=utilization.gpu,memory.used",
                                         "--format=csv,noheader,nounits", "-lms", "100"], stdin=subprocess.DEVNULL, stdout=writer, stderr=subprocess.DEVNULL)
        os.close(writer)
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        try:
            for line in self.lines:
                values = line.strip().split(",")
                if len(values) == 2 and all(value.strip().isdigit() for value in values):
                    self.samples.append((time.monotonic(), *map(float, values)))
        except OSError:  # what a terminal says when nobody writes to it any more
            pass

    def close(self):
        if self.process is None:
            return
        self.process.terminate()
        self.process.wait()

    def between(self, start, end):
        """Returns (mean idle share in percent, most memory in MiB), or None where there are too few samples."""
        inside = [sample for sample in self.samples if start <= sample[0] <= end]
        if len(inside) < 3:
            return None
        return 100.0 - statistics.fmean(sample[1] for sample in inside), max(sample[2] for sample in inside)


def of_trainer(bench, measured):
    name = f"speed-{measured.model.get('name', 'layers')}-{measured.model['input'][-1]}"
    data = bench.noise(name, measured.images, measured.model["input"])
    weights = bench.weights(name, measured.model)
    sampler = Utilization(bench.device)
    try:
        with bench.host(log="speed") as host:
            host.wait_hello()
            host.prepare(measured.model, data, len(weights) // 4, NORMALIZE)
            host.train(weights, measured.batch_size, learning_rate=1e-4)  # chooses kernels, takes memory
            start = time.monotonic()
            inside, outside = [], []
            for turn in range(measured.rounds):
                answer, _, seconds = host.train(weights, measured.batch_size, learning_rate=1e-4, round_number=turn + 2)
                inside.append(answer["seconds"])
                outside.append(seconds)
            seen = sampler.between(start + 0.3, time.monotonic())
    finally:
        sampler.close()
    rate = measured.images / statistics.median(inside)
    idle = "too short to sample" if seen is None else f"{seen[0]:.0f} %"
    memory = "" if seen is None else f"{seen[1]:.0f}"
    return {"program": "consilium-trainer", "images/s": f"{rate:.0f}", "images/s, whole round": f"{measured.images / statistics.median(outside):.0f}",
            "GPU idle in a round": idle, "GPU memory, MiB": memory, "rate": rate}


def of_pytorch(bench, measured, title, settings, python):
    order = {"module": measured.module, "input": measured.model["input"], "batch_size": measured.batch_size, "images": measured.images,
             "epochs": measured.rounds, "device": bench.device, **settings}
    script = pathlib.Path(__file__).with_name("pytorch_speed.py")
    _, output = bench.steps.command("speed", [python, script, json.dumps(order)], seconds=120)
    found = json.loads(output.strip().splitlines()[-1])
    return {"program": title, "images/s": f"{found['rate']:.0f}", "images/s, whole round": "", "GPU idle in a round": "", "GPU memory, MiB": f"{found['memory']:.0f}",
            "rate": found["rate"]}


def measure(bench, python):
    """Fills the speed table, a model at a time; PyTorch's rows need a Python that has it."""
    table = bench.steps.tables.setdefault("Speed", [])
    said = []
    # A rehearsal on the CPU measures the small model alone, on little, and its figures say nothing.
    models = [dataclasses.replace(MODELS[-1], images=64, rounds=1)] if bench.device == "cpu" else MODELS
    for measured in models:
        if bench.steps.left() < 40:
            raise StepFailed(f"no time was left for {measured.name}")
        ours = of_trainer(bench, measured)
        rows = [ours]
        if python:
            rows += [of_pytorch(bench, measured, title, settings, python) for title, settings in PEERS if bench.steps.left() > 20]
        for row in rows:
            rate = row.pop("rate")
            table.append({"model": measured.name, **row, "trainer to this": f"{float(ours['images/s']) / rate:.2f}"})
        said.append(f"{measured.name.split(',')[0]}: {ours['images/s']} images/s, idle {ours['GPU idle in a round']}")
    return "; ".join(said) + ("" if python else "; no Python with PyTorch to compare with")
