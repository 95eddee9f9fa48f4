"""Runs each worked example on small synthetic data: hospitals train together through real daemons, and the comparison gives the expected
result."""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

from consortium import run
from packages import need

need("nibabel", "numpy", "PIL", "pydicom", "yaml")

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "examples"
sys.path.append(str(EXAMPLES))

from phantoms.sites import SYSTEMS, write_sites  # noqa: E402


class Examples(unittest.TestCase):
    def compare(self, name, patients, rounds, metric):
        """Runs the example once and returns its results: the metrics of each way of training, and of the untrained model."""
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, EXAMPLES / "run", name, "--seeds", "1", "--patients", patients, "--rounds", str(rounds), "--epochs", "2", "--out", folder]
            done = subprocess.run(command, capture_output=True, text=True)
            self.assertIn("gain over alone", done.stdout, done.stderr)
            results = json.loads((pathlib.Path(folder) / "1/results.json").read_text())
            report = json.loads((pathlib.Path(folder) / "1/federation/report.json").read_text())
        self.assertEqual(set(results), {"untrained", "alone", "ensemble", "federated", "pooled"})
        self.assertEqual(report["phase"], "finished")
        self.assertEqual(report["secure_aggregation"], "required")
        self.assertGreater(results["federated"][metric], results["untrained"][metric], "the federation learned nothing")
        self.assertIn(f"{metric}_interval", results["federated"])
        return results

    def test_brain_mr(self):
        self.compare("brain-mr", "2,0,4", 2, "dice")

    def test_cardiac_mr(self):
        self.compare("cardiac-mr", "2,0,5", 3, "dice")

    def test_polyps(self):
        self.compare("polyps", "4,0,4", 2, "dice")

    def test_radiographs(self):
        self.compare("radiographs", "8,0,8", 2, "auc")


class Phantoms(unittest.TestCase):
    def test_the_same_arguments_give_the_same_bytes(self):
        for system in SYSTEMS:
            with self.subTest(system), tempfile.TemporaryDirectory() as folder:
                made = []
                for name, seed in (("one", 3), ("again", 3), ("other", 4)):
                    write_sites(pathlib.Path(folder) / name, system, (2, 1, 1), ["east", "north"], seed)
                    made.append(self.files(pathlib.Path(folder) / name))
                one, again, other = made
                self.assertEqual(one, again)
                self.assertEqual(one.keys(), other.keys())
                self.assertTrue(all(one[file] != other[file] for file in one if file.startswith("east/") and not file.endswith(".csv")))

    def test_boxes_are_read_as_a_data_set(self):
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            subprocess.run([sys.executable, EXAMPLES / "phantoms/make", "polyps", "--out", folder, "--sites", "1", "--patients", "2,0,1", "--boxes"], check=True, capture_output=True)
            described = json.loads((folder / "east.yaml").read_text())
            described["labels"] = {"table": "labels.csv", "key": "file", "boxes": "boxes.json"}
            (folder / "boxes.yaml").write_text(json.dumps(described))
            survey = json.loads(run("consilium-trainer", "inspect", folder / "boxes.yaml", "--json").stdout)
        self.assertEqual(survey["target"], "boxes")
        self.assertEqual(survey["classes"], ["finding"])
        self.assertEqual({split: counts["class_parts"] for split, counts in survey["splits"].items()}, {"train": [4], "val": [], "test": [2]})

    @staticmethod
    def files(folder):
        return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


if __name__ == "__main__":
    unittest.main()
