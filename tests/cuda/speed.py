"""Measures images per second of the trainer on a GPU, beside the same model in Python's PyTorch, and the idle share of the card in a round.

The idle share is measured from outside, by nvidia-smi's utilization.gpu (the share of its sampling period in which a kernel ran), while one
warm trainer runs rounds back to back: model in, local epoch, delta out.
"""

import dataclasses
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "benchmarks"))
import training_cases  # noqa: E402
from steps import StepFailed  # noqa: E402

ROUNDS = 3
# (case of benchmarks/training_cases.py, batch size, images, precision)
MEASURED = [("resnet18", 32, 1024, "float32"), ("resnet18", 64, 2048, "bf16"), ("resnet50", 32, 512, "float32"), ("resnet50", 64, 1024, "bf16"),
            ("unet2d", 32, 256, "float32"), ("unet2d", 32, 512, "bf16"), ("unet3d", 8, 128, "float32"), ("unet3d", 8, 128, "bf16"),
            ("small_cnn", 32, 16384, "float32")]
# PyTorch's settings: (title, settings of pytorch_training.py). The first equals the trainer's; the others are common among PyTorch's users.
PEERS = {
    "float32": [("PyTorch, the trainer's settings", {"channels_last": False, "tf32": False, "deterministic": True}),
                ("PyTorch, channels_last", {"channels_last": True, "tf32": False, "deterministic": True}),
                ("PyTorch, channels_last, cuDNN's own choice, TF32", {"channels_last": True, "tf32": True, "deterministic": False})],
    "bf16": [("PyTorch, autocast, channels_last", {"channels_last": True, "tf32": False, "deterministic": True}),
             ("PyTorch, autocast, channels_last, cuDNN's own choice", {"channels_last": True, "tf32": False, "deterministic": False})],
}


class Utilization:
    """Samples nvidia-smi's utilisation and memory of a card while it is open."""

    def __init__(self, device):
        self.samples, self.process = [], None
        if not shutil.which("nvidia-smi"):
            return
        reader, writer = os.openpty()  # a terminal receives each line at once, a pipe only when a buffer is full
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
        except OSError:  # a terminal's error once nobody writes to it any more
            pass

    def close(self):
        if self.process is None:
            return
        self.process.terminate()
        self.process.wait()

    def between(self, start, end):
        """Returns (mean idle share in percent, peak memory in MiB), or None if there are too few samples."""
        inside = [sample for sample in self.samples if start <= sample[0] <= end]
        if len(inside) < 3:
            return None
        return 100.0 - statistics.fmean(sample[1] for sample in inside), max(sample[2] for sample in inside)


def of_trainer(bench, case, precision):
    data, _ = training_cases.data_of(case, None, bench.work)
    weights = training_cases.weights_of(case, bench.trainer, bench.work, bench.environment)
    sampler = Utilization(bench.device)
    try:
        with bench.host(log="speed", decoder=bench.trainer.with_name("consilium-decode")) as host:
            host.wait_hello()
            host.prepare(case.model, data, len(weights) // 4, case.normalize(None), task=case.task, loss=case.loss, precision=precision)
            host.train(weights, case.batch_size, learning_rate=1e-4)  # chooses kernels, allocates memory, decodes files
            start = time.monotonic()
            inside, outside = [], []
            for turn in range(ROUNDS):
                answer, _, seconds = host.train(weights, case.batch_size, learning_rate=1e-4, round_number=turn + 2)
                inside.append(answer["seconds"])
                outside.append(seconds)
            seen = sampler.between(start + 0.3, time.monotonic())
    finally:
        sampler.close()
    rate = case.images / statistics.median(inside)
    idle = "too short to sample" if seen is None else f"{seen[0]:.0f} %"
    memory = "" if seen is None else f"{seen[1]:.0f}"
    return {"program": "consilium-trainer", "images/s": f"{rate:.0f}", "images/s, whole round": f"{case.images / statistics.median(outside):.0f}",
            "GPU idle in a round": idle, "GPU memory, MiB": memory, "rate": rate}


def of_pytorch(bench, case, precision, title, settings, python):
    order = {"module": case.module, "input": case.model["input"], "map": case.map, "batch_size": case.batch_size, "images": case.images, "folder": None,
             "device": bench.device, "threads": os.cpu_count() or 1, "precision": precision, **settings}
    script = pathlib.Path(training_cases.__file__).with_name("pytorch_training.py")
    _, output = bench.steps.command("speed", [python, script, json.dumps(order)], seconds=120, input="\n" * ROUNDS)
    found = [json.loads(line) for line in output.strip().splitlines()[-ROUNDS:]]
    rate = statistics.median(epoch["rate"] for epoch in found)
    return {"program": title, "images/s": f"{rate:.0f}", "images/s, whole round": "", "GPU idle in a round": "",
            "GPU memory, MiB": f"{found[-1]['device_mib']:.0f}", "rate": rate}


def measure(bench, python):
    """Fills the speed table, model by model. PyTorch's rows need a Python that has it."""
    table = bench.steps.tables.setdefault("Speed", [])
    said = []
    # A rehearsal on the CPU measures two models on little data, and its figures mean nothing.
    measured = [("small_cnn", 32, 64, "float32"), ("unet2d", 2, 4, "bf16")] if bench.device == "cpu" else MEASURED
    for name, batch_size, images, precision in measured:
        if bench.steps.left() < 40:
            raise StepFailed(f"no time was left for {name} in {precision}")
        case = dataclasses.replace(training_cases.CASES[name], batch_size=batch_size, images=images)
        ours = of_trainer(bench, case, precision)
        rows = [ours]
        if python:
            rows += [of_pytorch(bench, case, precision, title, settings, python) for title, settings in PEERS[precision] if bench.steps.left() > 20]
        title = f"{case.title}, batch {batch_size}, {precision}"
        for row in rows:
            rate = row.pop("rate")
            table.append({"model": title, **row, "trainer to this": f"{float(ours['images/s']) / rate:.2f}"})
        said.append(f"{title}: {ours['images/s']} images/s, idle {ours['GPU idle in a round']}")
    return "; ".join(said) + ("" if python else "; no Python with PyTorch to compare with")
