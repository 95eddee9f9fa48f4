"""Speaks to a trainer as the client daemon does (docs/formats/trainer_protocol.md). Needs only Python's standard library."""

import array
import json
import mmap
import os
import socket
import struct
import subprocess
import time


CLASSIFICATION = {"name": "classification", "threshold": 0.5, "calibration_bins": 0}


class TrainerFailed(Exception):
    """The trainer answered `failed`; its code is in .code."""

    def __init__(self, code, message):
        super().__init__(f"{code}: {message}")
        self.code = code


class TrainerHost:
    """One trainer, from its hello to its end. Use it as a context manager.

    `trainer` is a program, or a list of it and its arguments. `decoder` is the consilium-decode that reads image files for it. With
    `confined_run` it runs through consilium-confined-run, under every stage of the daemon's confinement but those of `without`.
    """

    def __init__(self, trainer, device, log, confined_run=None, without=(), readable=(), trace=None, environment=None, threads=1,
                 decoder=None):
        self.log_path = log
        self.socket, theirs = socket.socketpair()
        program = list(map(str, trainer)) if isinstance(trainer, (list, tuple)) else [str(trainer)]
        if confined_run:
            command = [confined_run, "--device", device]
            for stage in without:
                command += ["--without", stage]
            for path in readable:
                command += ["--readable", str(path)]
            command += (["--trace", str(trace)] if trace else []) + ["--", *program]
        else:
            command = [*program, "--socket-fd", "3", "--device", device, "--threads", str(threads)]
        number = theirs.fileno()
        self.decoder, kept = None, [number]
        with open(log, "ab") as output:
            if decoder:
                ours, other = socket.socketpair()
                self.decoder = subprocess.Popen([str(decoder), "--socket-fd", str(other.fileno())], stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                                pass_fds=(other.fileno(),))
                other.close()
                command += ["--decoder-fd", str(ours.fileno())]
                kept.append(ours.fileno())
            self.process = subprocess.Popen(["bash", "-c", f'exec "$@" 3<&{number} {number}<&-', "host", *map(str, command)], stdin=subprocess.DEVNULL,
                                            stdout=output, stderr=output, pass_fds=kept, env={**os.environ, **(environment or {})})
        theirs.close()
        if decoder:
            ours.close()
        self.hello, self.counts, self.parameters = None, None, 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.decoder:
            self.decoder.kill()
            self.decoder.wait()

    def log(self):
        with open(self.log_path, errors="replace") as file:
            return file.read()

    def send(self, record, descriptors=()):
        body = json.dumps(record).encode()
        socket.send_fds(self.socket, [struct.pack("<I", len(body)) + body], list(descriptors))

    def receive(self, seconds):
        self.socket.settimeout(seconds)
        try:
            head = self.read(4)
            return json.loads(self.read(struct.unpack("<I", head)[0]))
        except (TimeoutError, ConnectionError, EOFError) as problem:
            code = self.process.poll()
            if code is None and not isinstance(problem, TimeoutError):
                try:
                    code = self.process.wait(timeout=5)
                except subprocess.TimeoutExpired:
                    pass
            last = self.log().strip().splitlines()[-3:]
            ended = "the trainer doesn't answer" if code is None else f"the trainer ended with {code}"
            raise TrainerFailed("gone", f"{ended}; its last words: {' | '.join(last) or 'none'}") from problem

    def read(self, size):
        data = b""
        while len(data) < size:
            more = self.socket.recv(size - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def expect(self, kind, seconds=180):
        """Waits for a record of that type, skipping progress."""
        end = time.monotonic() + seconds
        while True:
            record = self.receive(max(0.1, end - time.monotonic()))
            if record["type"] == "failed":
                raise TrainerFailed(record["code"], record["message"])
            if record["type"] == kind:
                return record

    def wait_hello(self, seconds=120):
        self.hello = self.expect("hello", seconds)
        return self.hello

    def prepare(self, model, data, parameters, normalize=None, task=CLASSIFICATION, loss="cross_entropy", precision="float32"):
        """`data` is a description of a data set, or the path of an .npz file."""
        described = data if isinstance(data, dict) else {"type": "npz", "path": str(data)}
        self.send({"type": "prepare", "model": model, "data": described, "normalize": normalize, "parameter_count": parameters, "task": task, "loss": loss,
                   "precision": precision, "atlas": None})
        self.parameters = parameters
        self.counts = self.expect("prepared")
        return self.counts

    def train(self, weights, batch_size, epochs=1, learning_rate=0.01, round_number=1, seconds=300):
        """Trains from `weights` (bytes of float32). Returns (the trainer's answer, the delta's bytes, seconds as measured here)."""
        start = time.monotonic()
        model, delta = shared(weights), shared(bytes(len(weights)))
        request = {"type": "train", "site": "north", "round": round_number, "seed": 7, "local_epochs": epochs, "batch_size": batch_size,
                   "optimizer": {"name": "sgd", "learning_rate": learning_rate, "momentum": 0.9, "weight_decay": 0.0, "beta1": 0.9, "beta2": 0.999,
                                 "epsilon": 1e-8},
                   "proximal_mu": 0.0, "time_limit_ms": 0, "gradient_clip": 0.0, "learning_rates": []}
        try:
            self.send(request, (model, delta))
            answer = self.expect("trained", seconds)
            return answer, os.pread(delta, len(weights), 0), time.monotonic() - start
        finally:
            os.close(model)
            os.close(delta)

    def peak_mib(self):
        """Returns the peak resident memory of the trainer so far; 0 once it is gone."""
        try:
            with open(f"/proc/{self.process.pid}/status") as status:
                return next(int(line.split()[1]) // 1024 for line in status if line.startswith("VmHWM:"))
        except (OSError, StopIteration):
            return 0


def shared(data):
    """Returns a memfd that holds `data`."""
    descriptor = os.memfd_create("consilium")
    os.ftruncate(descriptor, len(data))
    with mmap.mmap(descriptor, len(data)) as memory:
        memory[:] = data
    return descriptor


def read_safetensors(path):
    """Returns (names with their sizes, the float32 values as bytes), in the file's order, without integers."""
    with open(path, "rb") as file:
        (size,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(size))
        header.pop("__metadata__", None)
        entries = sorted((entry["data_offsets"], name) for name, entry in header.items() if entry["dtype"] == "F32")
        data = file.read()
    return [(name, end - begin) for (begin, end), name in entries], b"".join(data[begin:end] for (begin, end), _ in entries)


def largest_difference(one, other):
    """Returns the largest absolute difference of two vectors of float32 bytes; infinity if one of them is not finite or their lengths
    differ."""
    first, second = array.array("f", one), array.array("f", other)
    if len(first) != len(second):
        return float("inf")
    worst = 0.0
    for a, b in zip(first, second):
        difference = abs(a - b)
        if not difference <= worst:  # a NaN too
            worst = difference if difference == difference else float("inf")
    return worst
