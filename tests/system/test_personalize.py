"""Fine-tunes a federation's model at one site and compares it with the original."""

import json
import pathlib
import subprocess
import tempfile
import unittest

import npz
from consortium import BIN, job, run
from test_reproducibility import tensors


def rotated(images):
    """Returns the other sites' pictures with rows turned into columns, so that a federation's model is wrong here."""
    return [bytes(image[x * 28 + y] for y in range(28) for x in range(28)) for image in images]


class Personalize(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.folder = pathlib.Path(cls.temporary.name)
        data = cls.folder / "data"
        data.mkdir()
        for index, site in enumerate(["east", "north", "south"]):
            splits = [npz.striped_images(size, 100 * index + size) for size in (64, 30, 32)]
            npz.write(data / f"{site}.npz", npz.dataset(*splits))
        splits = [(rotated(images), labels) for images, labels in (npz.striped_images(size, 900 + size) for size in (64, 30, 32))]
        npz.write(cls.folder / "ours.npz", npz.dataset(*splits))
        file = cls.folder / "job.yaml"
        model = {"layers": [{"conv": {"channels": 4, "kernel": 3, "padding": 1}}, "relu", {"maxpool": 4}, "flatten", {"linear": 8}, "relu", {"linear": 2}],
                 "input": [1, 28, 28], "classes": 2}
        file.write_text(json.dumps(job(model=model, federation={"rounds": 6}, privacy={"secure_aggregation": "required"})))
        run("consilium", "simulate", file, "--site-data", data, "--out", cls.folder / "result")

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    def personalize(self, out, *more, result="result"):
        return subprocess.run([BIN / "consilium", "personalize", self.folder / result, "--data", self.folder / "ours.npz", "--out", self.folder / out, *map(str, more)],
                              capture_output=True, text=True, timeout=120)

    def test_a_site_whose_images_are_different_gains(self):
        told = self.personalize("ours", "--learning-rate", 0.05, "--epochs", 20, "--json")
        self.assertEqual(told.returncode, 0, told.stderr)
        result = json.loads(told.stdout.splitlines()[-1])
        report = json.loads((self.folder / "ours" / "report.json").read_text())
        comparison = report["comparison"]
        self.assertEqual(comparison, result["comparison"])
        self.assertLess(comparison["federated"]["accuracy"], 0.3)
        self.assertGreater(comparison["personal"]["accuracy"], 0.9)
        self.assertEqual(comparison["personal_gain"]["metric"], "accuracy")
        low, high = comparison["personal_gain"]["interval"]
        self.assertLess(0.3, low)
        self.assertLessEqual(low, high)
        self.assertAlmostEqual(comparison["personal_gain"]["value"], comparison["personal"]["accuracy"] - comparison["federated"]["accuracy"])
        self.assertIn("Did fine-tuning help?", (self.folder / "ours" / "report.html").read_text())
        again = self.personalize("again", "--learning-rate", 0.05, "--epochs", 20)
        self.assertIn("epoch 1/20", again.stdout)
        self.assertRegex(again.stdout, r"gain +accuracy \+\d\.\d+ \(\+\d")
        models = [(self.folder / out / "model.safetensors").read_bytes() for out in ("ours", "again")]
        self.assertEqual(models[0], models[1])

    def test_frozen_layers_stay_the_federations(self):
        told = self.personalize("head", "--freeze", "4,0", "--epochs", 2)
        self.assertEqual(told.returncode, 0, told.stderr)
        before, after = (tensors((self.folder / out / "model.safetensors").read_bytes()) for out in ("result", "head"))
        self.assertEqual({name for name in before if before[name] != after[name]}, {"6.bias", "6.weight"})

    def test_a_site_without_test_images_keeps_its_model(self):
        splits = [npz.striped_images(size, 300 + size) for size in (64, 30)]
        npz.write(self.folder / "untested.npz", npz.dataset(*splits, ([], [])))
        out = self.folder / "untested"
        told = subprocess.run([BIN / "consilium", "personalize", self.folder / "result", "--data", self.folder / "untested.npz", "--epochs", "1", "--out", out],
                              capture_output=True, text=True, timeout=300)
        self.assertEqual(told.returncode, 0, told.stderr)
        self.assertIn("is kept, but couldn't be compared", told.stderr)
        self.assertTrue((out / "model.safetensors").exists())

    def test_what_is_wrong_is_said(self):
        self.personalize("once", "--epochs", 1)
        told = self.personalize("once", "--epochs", 1)
        self.assertEqual(told.returncode, 2)
        self.assertIn("already holds a report", told.stderr)
        report = (self.folder / "once/report.json").read_bytes()
        told = run("consilium", "report", self.folder / "once", "--examples", self.folder, "--out", self.folder / "once/report.json", check=False)
        self.assertNotEqual(told.returncode, 0)
        self.assertEqual((self.folder / "once/report.json").read_bytes(), report)
        empty = self.folder / "empty"
        empty.mkdir(exist_ok=True)
        told = self.personalize("x", result="empty")
        self.assertNotEqual(told.returncode, 0)
        self.assertIn("report.json", told.stderr)
        (empty / "report.json").write_text("[]")
        told = self.personalize("x", result="empty")
        self.assertEqual(told.returncode, 2)
        self.assertIn("expected a report of a job", told.stderr)


if __name__ == "__main__":
    unittest.main()
