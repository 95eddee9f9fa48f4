#!/usr/bin/env python3
"""Compares consilium-confined-run with what the kernel shows of the trainer that it confines."""

import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "system"))
from trainer_host import TrainerFailed, TrainerHost  # noqa: E402

BIN = pathlib.Path(os.environ["CONSILIUM_BIN_DIR"])
RUN = BIN / "consilium-confined-run"


class ConfinedRun(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.path = pathlib.Path(self.folder.name)

    def host(self, *trainer, **options):
        return TrainerHost([BIN / trainer[0], *trainer[1:]], "cpu", self.path / "log", confined_run=RUN, **options)

    def status_without(self, *stages):
        with self.host("consilium-echo-trainer", without=stages) as host:
            host.wait_hello()
            lines = pathlib.Path(f"/proc/{host.process.pid}/status").read_text().splitlines()
            network = os.readlink(f"/proc/{host.process.pid}/ns/net")
            return dict(line.split(":\t", 1) for line in lines if ":\t" in line), network

    def test_everything_confines_a_trainer_and_each_stage_can_be_left_out(self):
        ours = os.readlink("/proc/self/ns/net")
        status, network = self.status_without()
        self.assertEqual((status["NoNewPrivs"], status["Seccomp"], status["CapEff"].strip("0")), ("1", "2", ""))
        self.assertNotEqual(network, ours)
        status, network = self.status_without("filter", "namespaces")
        self.assertNotEqual(status["Seccomp"], "2")
        self.assertEqual(network, ours)

    def test_a_trace_lists_what_the_kernel_refused(self):
        trace = self.path / "trace"
        with self.host("consilium-rogue-trainer", "probe-read", "/etc/passwd", trace=trace) as host:
            host.wait_hello()
            with self.assertRaises(TrainerFailed):
                host.prepare({"name": "mlp_2nn", "input": [1, 28, 28], "classes": 2}, "/data/chest.npz", 1000)
        self.assertIn("(/etc/passwd) = EACCES", trace.read_text())

    def test_wrong_usage_is_told(self):
        for arguments in ([], ["--without", "sleep", "--", "/bin/true"], ["--device", "cpu"]):
            done = subprocess.run([RUN, *arguments], capture_output=True, text=True)
            self.assertEqual(done.returncode, 2)
            self.assertIn("--without STAGE", done.stderr)


unittest.main()
