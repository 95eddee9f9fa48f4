"""The known models of each task through real daemons, masked, on small data. `simulate` gives the same bytes."""

import json
import random
import unittest

import npz
from canarydata import SPLITS, VOLUME, Hospital
from consortium import POLICY, Consortium, job, population
from test_tasks import SIDE, described, write_site

SITES = ["east", "north", "south"]
DEPTH = 4


def write_arrays(file, seed, shape):
    """Writes noise, brighter if the class is 1, as an .npz of pictures or volumes."""
    draw, arrays = random.Random(seed), []
    for count in SPLITS.values():
        labels = [number % 2 for number in range(count)]
        size = 1
        for side in shape:
            size *= side
        arrays.append(([bytes(draw.randrange(90) + 120 * label for _ in range(size)) for label in labels], labels))
    file.parent.mkdir(exist_ok=True)
    npz.write(file, npz.dataset(*arrays, shape=shape))
    return file


class Models(unittest.TestCase):
    def train(self, task, model, write):
        """Trains a masked job of one round on the data that `write(folder, site, seed)` describes, and again in `simulate`. Returns the
        metrics."""
        with Consortium(SITES, populations=population()) as consortium:
            consortium.start_coordinator()
            for seed, site in enumerate(SITES):
                consortium.start_site(site, {"chest": write(consortium.folder / "data", site, seed)}, policy=POLICY.replace("[classification]", f"[{task}]"))
            consortium.wait_connected()
            spec = job(masked=True, task=task, federation={"rounds": 1}, training={"batch_size": 4, "optimizer": {"name": "sgd", "learning_rate": 0.01}})
            del spec["privacy"]
            spec.update(model=model, data={"dataset": "chest"})
            job_id = consortium.submit(spec)
            ended = consortium.wait_ended(job_id, seconds=300)
            self.assertEqual(ended["phase"], "finished", ended["detail"])
            daemons, simulated = consortium.fetch(job_id), consortium.simulate(spec)
            self.assertEqual((daemons / "model.safetensors").read_bytes(), (simulated / "model.safetensors").read_bytes(), "daemons and simulation differ")
            metrics = [json.loads((out / "report.json").read_text())["rounds"][0]["test"] for out in (daemons, simulated)]
            self.assertEqual(*metrics)
            return metrics[0]

    def test_densenet121(self):
        metrics = self.train("classification", {"name": "densenet121", "input": [1, 28, 28], "classes": 2},
                             lambda folder, site, seed: write_arrays(folder / f"{site}.npz", seed, (28, 28)))
        self.assertEqual(metrics["examples"], len(SITES) * SPLITS["test"])

    def test_r3d_18(self):
        metrics = self.train("classification", {"name": "r3d_18", "input": [1, DEPTH, 16, 16], "classes": 2},
                             lambda folder, site, seed: write_arrays(folder / f"{site}.npz", seed, (DEPTH, 16, 16)))
        self.assertEqual(metrics["examples"], len(SITES) * SPLITS["test"])

    def test_unet_of_volumes(self):
        metrics = self.train("segmentation", {"name": "unet", "width": 4, "depth": 2, "input": [1, VOLUME, VOLUME, VOLUME], "classes": 2},
                             lambda folder, site, seed: Hospital(folder, site, seed=seed).write_nifti())
        self.assertIn("dice", metrics)

    def test_fcos_resnet18(self):
        metrics = self.train("detection", {"name": "fcos_resnet18", "width": 32, "input": [1, SIDE, SIDE], "classes": 1},
                             lambda folder, site, seed: described(write_site(folder / site, seed), boxes="boxes.csv"))
        self.assertIn("map_50", metrics)


if __name__ == "__main__":
    unittest.main()
