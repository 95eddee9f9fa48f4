"""Folders of image files through real daemons: a masked job on them gives the same model as the same pixels in arrays."""

import json
import unittest

import npz
from consortium import Consortium, job, population
from medicalfiles import png

SITES = ["east", "north", "south", "west"]
CLASSES = ["flat", "upright"]
SPLITS = {"train": (64, 100), "val": (32, 200), "test": (32, 300)}


def write_images(folder, site):
    """Writes a site's images as folder/SPLIT/CLASS/NUMBER.png, and the same images in the same order as arrays. Returns both paths."""
    arrays = {}
    for split, (count, seed) in SPLITS.items():
        images, labels = npz.striped_images(count, seed + SITES.index(site))
        order = sorted(range(count), key=lambda at: (labels[at], at))
        for at in order:
            file = folder / site / split / CLASSES[labels[at]] / f"{at:04}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(png(images[at], 28))
        arrays[split] = ([images[at] for at in order], [labels[at] for at in order])
    npz.write(folder / f"{site}.npz", npz.dataset(*arrays.values()))
    return folder / site, folder / f"{site}.npz"


def image_folder(folder):
    return {"type": "image_folder", "path": str(folder), "split": {"folders": True}}


class Images(unittest.TestCase):
    def start(self, consortium):
        """Starts the coordinator and writes the data. Returns {site: (folder of images, arrays)}."""
        (consortium.folder / "data").mkdir()
        consortium.start_coordinator()
        return {site: write_images(consortium.folder / "data", site) for site in SITES}

    def run_job(self, consortium, spec, described):
        """Runs a job over the sites' data with this description. Returns its last status."""
        for site in SITES:
            consortium.start_site(site, {"chest": described[site]})
        consortium.wait_connected()
        ended = consortium.wait_ended(consortium.submit(spec))
        self.assertEqual(ended["phase"], "finished", ended["detail"])
        return ended

    def test_a_masked_job_learns_from_folders_of_images(self):
        with Consortium(SITES, populations=population()) as consortium:
            data = self.start(consortium)
            spec = job(masked=True, federation={"rounds": 6})
            del spec["privacy"]
            ended = self.run_job(consortium, spec, {site: image_folder(folder) for site, (folder, _) in data.items()})
            self.assertGreater(ended["history"][-1]["test"]["accuracy"], 0.95)

    def test_images_train_the_model_of_the_same_pixels_in_arrays(self):
        with Consortium(SITES) as consortium:
            data = self.start(consortium)
            models = []
            for name, described in (("images", {site: image_folder(folder) for site, (folder, _) in data.items()}),
                                    ("arrays", {site: arrays for site, (_, arrays) in data.items()})):
                ended = self.run_job(consortium, job(name=name, federation={"sites": SITES, "minimum_sites": 4}), described)
                model = (consortium.fetch(ended["job_id"]) / "model.safetensors").read_bytes()
                models.append(model[8 + int.from_bytes(model[:8], "little"):])  # the header names the job
                for site in SITES:
                    consortium.daemons[site].terminate()
            self.assertEqual(*models)

    def test_check_data_reads_the_images_that_client_yaml_describes(self):
        with Consortium(["north"]) as consortium:
            consortium.port = 1  # the check connects to nothing
            (consortium.folder / "data").mkdir()
            images, arrays = write_images(consortium.folder / "data", "north")
            (images / "train" / CLASSES[0] / "broken.png").write_bytes(b"no image")
            consortium.configure_site("north", {"chest": {**image_folder(images), "loading": {"unreadable": 0.1}}, "arrays": arrays})
            found = json.loads(consortium.at_site("north", "check-data", "chest", "--json").stdout)
            self.assertEqual(found["splits"]["train"]["class_items"], [32, 32])
            self.assertEqual([left["file"] for left in found["left_out"]], [f"train/{CLASSES[0]}/broken.png"])
            self.assertEqual(json.loads(consortium.at_site("north", "check-data", "arrays", "--json").stdout)["splits"]["train"]["class_examples"], [32, 32])
            unknown = consortium.at_site("north", "check-data", "chst", check=False)
            self.assertEqual(unknown.returncode, 1)
            self.assertIn("datasets: no 'chst'; expected one of: arrays, chest", unknown.stderr)

    def test_a_broken_image_is_left_out_and_named_at_its_site_alone(self):
        with Consortium(SITES, populations=population()) as consortium:
            data = self.start(consortium)
            broken = data["north"][0] / "train" / CLASSES[0] / "0000.png"
            broken.write_bytes(broken.read_bytes()[:60])
            spec = job(masked=True)
            del spec["privacy"]
            described = {site: {**image_folder(folder), "loading": {"unreadable": 0.1}} for site, (folder, _) in data.items()}
            self.run_job(consortium, spec, described)
            consortium.daemons["north"].wait_for_log("0000.png")
            for other in ("coordinator", "east", "south", "west"):
                self.assertNotIn("0000.png", consortium.daemons[other].log)


if __name__ == "__main__":
    unittest.main()
