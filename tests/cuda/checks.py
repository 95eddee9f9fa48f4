"""What a GPU has to show with the real consilium-trainer: the same numbers as a CPU, the same bytes twice, confinement, memory."""

import concurrent.futures
import json
import os
import pathlib
import random
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "system"))
import npz  # noqa: E402
from steps import StepFailed  # noqa: E402
from trainer_host import TrainerFailed, TrainerHost, largest_difference, read_safetensors  # noqa: E402

TOLERANCE = 1e-4
STAGES = ("namespaces", "landlock", "capabilities", "filter")
# The models to compare between CPU and GPU, by name. Larger models differ by more, through ReLUs that flip.
COMPARED = {
    "mlp_2nn": {"name": "mlp_2nn", "input": [1, 28, 28], "classes": 2},
    "fedavg_cnn": {"name": "fedavg_cnn", "input": [1, 28, 28], "classes": 2},
    "resnet18": {"name": "resnet18", "input": [1, 28, 28], "classes": 2},
}
# A batch of 1,024 needs 196 GiB for the output of the first layer alone, which is the first allocation and exceeds every card.
WIDE = {"layers": [{"conv": {"channels": 1024, "kernel": 3, "padding": 1}}, "relu", "global_avgpool", "flatten", {"linear": 2}],
        "input": [1, 224, 224], "classes": 2}
NORMALIZE = {"mean": [0.5], "std": [0.5]}


class Bench:
    """The programs, folders and environment that the checks share."""

    def __init__(self, steps, work, programs, environment, device):
        self.steps, self.work, self.programs, self.environment, self.device = steps, pathlib.Path(work), pathlib.Path(programs), environment, device
        self.work.mkdir(parents=True, exist_ok=True)
        self.trainer = self.programs / "consilium-trainer"

    def job(self, name, model, batch_size=32, learning_rate=0.01):
        file = self.work / f"{name}.yaml"
        file.write_text(json.dumps({
            "name": name.replace("_", "-"), "model": model, "data": {"dataset": "here", "normalize": {"mean": 0.5, "std": 0.5}},
            "training": {"local_epochs": 1, "batch_size": batch_size, "optimizer": {"name": "sgd", "learning_rate": learning_rate, "momentum": 0.9}},
            "federation": {"rounds": 1}, "strategy": {"name": "fedavg"}, "privacy": {"secure_aggregation": "off"}, "seed": 3}))
        return file

    def stripes(self, name, count, side=28, shape=None):
        """Returns striped images: a data set that a model can learn."""
        file = self.work / f"{name}.npz"
        if not file.exists():
            npz.write(file, npz.dataset(*(npz.striped_images(size, seed, side) for size, seed in ((count, 1), (32, 2), (32, 3))), shape=(side, side)))
        return file

    def noise(self, name, count, shape):
        """Returns random bytes as images of a shape, for measuring speed and memory."""
        file = self.work / f"{name}.npz"
        if not file.exists():
            size = 1
            for dimension in shape:
                size *= dimension
            source = random.Random(5)
            images = npz.Array("|u1", (count, *shape), os.urandom(count * size))
            npz.write(file, {"train_images": images, "train_labels": npz.Array("|u1", (count, 1), bytes(source.randrange(2) for _ in range(count)))})
        return file

    def train(self, job, data, out, device, log="trainers", threads=4, epochs=1):
        """Runs `consilium-trainer train` and returns its output."""
        _, output = self.steps.command(log, [self.trainer, "train", job, "--data", data, "--out", out, "--device", device, "--threads", threads,
                                             "--epochs", epochs, "--json"], env=self.environment)
        return output

    def weights(self, name, model):
        """Returns initial weights for a model: the result of one CPU step on two images."""
        out = self.work / f"{name}-start.safetensors"
        if not out.exists():
            data = self.noise(f"{name}-two", 2, model["input"])
            self.train(self.job(f"{name}-start", model, batch_size=2, learning_rate=1e-4), data, out, "cpu", threads=os.cpu_count() or 1)
        return read_safetensors(out)[1]

    def host(self, log="trainers", device=None, **options):
        return TrainerHost(self.trainer, device or self.device, self.steps.log(log), environment=self.environment, **options)


def compare_with_cpu(bench):
    """Trains each model for one local round on CPU and GPU, and again on the GPU. Compares the numbers and, on the GPU, the bytes."""
    data = bench.stripes("stripes", 128)
    outputs = {}

    def train(name, model, device, run):
        out = bench.work / f"{name}-{run}.safetensors"
        outputs[name, run] = bench.train(bench.job(name, model), data, out, device)
        return out

    with concurrent.futures.ThreadPoolExecutor(max_workers=3) as pool:
        runs = {(name, run): pool.submit(train, name, model, device, run) for name, model in COMPARED.items()
                for run, device in (("cpu", "cpu"), ("gpu", bench.device), ("again", bench.device))}
        files = {key: done.result() for key, done in runs.items()}
    rows, same = [], []
    for name in COMPARED:
        cpu, gpu, again = (read_safetensors(files[name, run])[1] for run in ("cpu", "gpu", "again"))
        equal = files[name, "gpu"].read_bytes() == files[name, "again"].read_bytes()
        rows.append({"model": name, "largest difference of a weight, CPU and GPU": f"{largest_difference(cpu, gpu):.2e}",
                     "two GPU runs": "the same bytes" if equal else f"differ by {largest_difference(gpu, again):.2e}"})
        same.append(equal)
    bench.steps.tables["One local round (128 images, batches of 32), CPU against GPU"] = rows
    return rows, same, outputs


def agrees_with_cpu(bench, rows):
    worst = max(float(row["largest difference of a weight, CPU and GPU"]) for row in rows)
    if not worst <= TOLERANCE:
        raise StepFailed(f"the largest difference of a weight is {worst:.2e}, more than {TOLERANCE:.0e}")
    return f"largest difference {worst:.2e}, at most {TOLERANCE:.0e}"


def is_deterministic(same):
    if not all(same):
        raise StepFailed("two GPU runs of the same job wrote different bytes")
    return f"{len(same)} models, two runs each"


def says_tf32(outputs, device):
    said = [text for (_, run), text in outputs.items() if run != "cpu"]
    wanted = f"computes on {device} in float32, TF32 is off"
    if not all(wanted in text for text in said):
        raise StepFailed(f"the trainer's log lacks '{wanted}'")
    return wanted


def train_small(bench, **options):
    """Starts a trainer, lets it train one small CNN for a round without evaluation, and returns its hello and peak memory."""
    model = COMPARED["fedavg_cnn"]
    data, weights = bench.stripes("stripes", 128), bench.weights("fedavg_cnn", model)
    with bench.host(readable=[bench.work], **options) as host:
        hello = host.wait_hello()
        host.prepare(model, data, len(weights) // 4, NORMALIZE)
        answer, _, seconds = host.train(weights, 32)
        return hello, answer, seconds, host.peak_mib()


def trains_confined(bench, confined_run):
    hello, answer, seconds, peak = train_small(bench, confined_run=confined_run)
    if not hello["sandboxed"]:
        raise StepFailed("the trainer says in its hello that its own filter could not be installed")
    return f"{hello['software']} on {hello['device']}: one round in {seconds:.1f} s, mean loss {answer['mean_loss']:.3f}, resident {peak} MiB at the peak"


def diagnose(bench, confined_run):
    """Runs the trainer under each part of the confinement alone, and under all parts but one. Then lists the calls that the kernel refused
    under all of it."""
    rows = []
    trials = [("nothing", None)] + [(f"{stage} alone", set(STAGES) - {stage}) for stage in STAGES]
    trials += [(f"all but {stage}", {stage}) for stage in STAGES] + [("everything", set())]

    def attempt(without, **options):
        try:
            run = {} if without is None else {"confined_run": confined_run, "without": sorted(without)}
            hello, _, seconds, peak = train_small(bench, log="diagnose", **run, **options)
            return f"works: {hello['device']}, {seconds:.1f} s, {peak} MiB"
        except TrainerFailed as failure:
            return f"FAILS: {failure}"[:400]

    for title, without in trials:
        bench.steps.note("diagnose", f"\n--- {title}")
        rows.append({"confinement": title, "the trainer": attempt(without)})
        print(f"check_cuda: under {title}: {rows[-1]['the trainer']}", flush=True)
    for title, without in (("nothing, traced", set(STAGES)), ("everything, traced", set())):
        trace = bench.work / f"{title.split(',')[0]}.trace"
        result = attempt(without, trace=trace)
        refused = trace.read_text() if trace.exists() else ""
        bench.steps.note("diagnose", f"\n--- {title}: {result}; refused system calls:\n{refused}")
        rows.append({"confinement": title, "the trainer": f"{result}; {len(refused.splitlines())} kinds of refused calls, in diagnose.log"})
    free = set((bench.work / "nothing.trace").read_text().splitlines()) if (bench.work / "nothing.trace").exists() else set()
    confined = (bench.work / "everything.trace").read_text().splitlines() if (bench.work / "everything.trace").exists() else []
    calls = {line.split(" x ", 1)[-1] for line in free}
    only = [line for line in confined if line.split(" x ", 1)[-1] not in calls]
    bench.steps.note("diagnose", "\n--- refused under confinement alone:\n" + "\n".join(only))
    bench.steps.tables["The trainer under parts of the confinement"] = rows
    whole = next(row["the trainer"] for row in rows if row["confinement"] == "everything")
    if whole.startswith("FAILS"):
        raise StepFailed(f"see the table, and diagnose.log for the refused system calls; the first: {'; '.join(only[:3]) or 'none'}")
    return "the trainer works under all of it"


def survives_lack_of_memory(bench, confined_run):
    """Checks that a batch too large for the card gives a clear error, and that the same trainer can still train afterwards."""
    data, weights = bench.noise("wide", 1024, [1, 224, 224]), bench.weights("wide", WIDE)
    options = {"confined_run": confined_run, "readable": [bench.work]} if confined_run else {}
    with bench.host(**options) as host:
        host.wait_hello()
        host.prepare(WIDE, data, len(weights) // 4, NORMALIZE)
        try:
            host.train(weights, 1024, learning_rate=1e-4)
        except TrainerFailed as failure:
            message, code = str(failure), failure.code
        else:
            raise StepFailed("a batch that needs 196 GiB was trained")
        if code != "resource_exhausted":
            raise StepFailed(f"expected the error 'resource_exhausted', found '{message}'")
        model, small = COMPARED["fedavg_cnn"], bench.weights("fedavg_cnn", COMPARED["fedavg_cnn"])
        host.prepare(model, bench.stripes("stripes", 128), len(small) // 4, NORMALIZE)
        host.train(small, 32)
    return f"'{message[:160]}', and the same trainer then trained a job that fits"
