"""A job with an atlas. Its images are noise, with a structure at one place in the patient, which only the atlas reveals."""

import hashlib
import json
import random
import unittest

from packages import need

numpy, nibabel = need("numpy", "nibabel")

import predictdata  # noqa: E402
from consortium import POLICY, Consortium, job, population, run  # noqa: E402
from test_tasks import convolution  # noqa: E402

SITES = ["east", "north", "south"]
SIDES = (16, 14, 12)  # of an image, along x, y and z
COUNTS = {"train": 6, "val": 1, "test": 3}
MIDDLE, RADIUS = numpy.array([10.0, -20.0, 30.0]), 9.0  # of the structure, in mm
MODEL = {"layers": [convolution(4, 1), "relu", convolution(2, 1)], "input": [2, 12, 14, 16], "classes": 2}


def inside(affine, sides):
    """Returns for each voxel whether its centre lies in the structure."""
    voxels = numpy.stack([*numpy.meshgrid(*[numpy.arange(side) for side in sides], indexing="ij"), numpy.ones(sides)], axis=-1)
    return numpy.linalg.norm((voxels @ affine.T)[..., :3] - MIDDLE, axis=-1) < RADIUS


def drawn_affine(draw):
    """Draws an affine: voxels of about 2 mm, with axes that are flipped and rotated, around a place near the structure."""
    angle = numpy.radians(draw.uniform(-25, 25))
    turn = numpy.array([[numpy.cos(angle), -numpy.sin(angle), 0], [numpy.sin(angle), numpy.cos(angle), 0], [0, 0, 1]])
    linear = turn @ numpy.diag([draw.choice([-2.0, 2.0]), draw.choice([-2.2, 2.2]), draw.choice([-2.5, 2.5])])
    affine = numpy.eye(4)
    affine[:3, :3] = linear
    affine[:3, 3] = MIDDLE + [draw.uniform(-8, 8) for _ in range(3)] - linear @ ((numpy.array(SIDES) - 1) / 2)
    return affine


def write_site(folder, seed):
    """Writes a site's images, masks and table; returns the entry of client.yaml."""
    draw, noise, rows = random.Random(seed), numpy.random.default_rng(seed), ["file,mask,split"]
    for split, count in COUNTS.items():
        for number in range(count):
            name, affine = f"{split}{number}.nii.gz", drawn_affine(draw)
            predictdata.write_nifti(folder / "images" / name, noise.normal(100, 10, SIDES).astype(numpy.float32), affine)
            predictdata.write_nifti(folder / "masks" / name, inside(affine, SIDES).astype(numpy.uint8), affine)
            rows.append(f"images/{name},masks/{name},{split}")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")
    return {"type": "nifti", "path": str(folder), "labels": {"table": "labels.csv", "key": "file", "mask": "mask"},
            "split": {"column": "split"}, "preprocess": {"normalise": "image"}, "augment": {"flip": ["horizontal", "depth"], "rotate": 10}}


def write_atlas(file):
    """Writes the map in a space of its own: voxels of 1.5 mm, the first axis from left to right, the others flipped."""
    affine = numpy.diag([1.5, -1.5, -1.5, 1.0])
    affine[:3, 3] = MIDDLE + numpy.array([-30, 30, 30])
    predictdata.write_nifti(file, inside(affine, (40, 40, 40)).astype(numpy.float32), affine)
    return file


def spec_for(atlas, masked=True):
    spec = job(masked=masked, task="segmentation", federation={"rounds": 4},
               training={"local_epochs": 6, "batch_size": 3, "optimizer": {"name": "adam", "learning_rate": 0.02}}, evaluation={"every": 4})
    digest = hashlib.sha256(atlas.read_bytes()).hexdigest()
    return {**spec, "model": MODEL, "data": {"dataset": "chest", "atlas": {"name": "organ", "sha256": digest, "channels": 1}}}


class Atlas(unittest.TestCase):
    def start(self, consortium, site, seed, **changes):
        consortium.start_site(site, {"chest": write_site(consortium.folder / "data" / site, seed)}, policy=POLICY.replace("[classification]", "[segmentation]"),
                              **changes)

    def test_sites_learn_where_a_structure_lies_from_the_atlas_alone(self):
        with Consortium(SITES, populations=population()) as consortium:
            atlas = write_atlas(consortium.folder / "organ.nii")
            consortium.start_coordinator()
            for seed, site in enumerate(SITES):
                self.start(consortium, site, seed, atlases={"organ": str(atlas)})
            consortium.wait_connected()
            spec = spec_for(atlas)
            job_id = consortium.submit(spec)
            ended = consortium.wait_ended(job_id, seconds=300)
            self.assertEqual(ended["phase"], "finished", ended["detail"])
            daemons, simulated = consortium.fetch(job_id), consortium.simulate(spec, "--atlas", atlas)
            self.assertEqual((daemons / "model.safetensors").read_bytes(), (simulated / "model.safetensors").read_bytes(), "daemons and simulation differ")
            self.assertGreater(json.loads((daemons / "report.json").read_text())["rounds"][-1]["test"]["dice"], 0.9)
            self.check_prediction(consortium, daemons, atlas)
            self.check_fine_tuning(consortium, daemons, atlas)

    def check_prediction(self, consortium, results, atlas):
        """Checks that `predict` finds the structure in a new image with the atlas, and names the problem without an atlas or with another
        one."""
        images, affine = consortium.folder / "new", drawn_affine(random.Random(99))
        predictdata.write_nifti(images / "new.nii.gz", numpy.random.default_rng(9).normal(100, 10, SIDES).astype(numpy.float32), affine)
        preprocess = consortium.folder / "preprocess.yaml"
        preprocess.write_text("normalise: image\n")
        command = ["consilium-trainer", "predict", "--model", results, "--input", images, "--preprocess", preprocess]
        run(*command, "--output", consortium.folder / "masks", "--atlas", atlas)
        found = numpy.asarray(nibabel.load(consortium.folder / "masks/masks/new.nii.gz").dataobj) == 1
        truth = inside(affine, SIDES)
        self.assertGreater(2 * (found & truth).sum() / (found.sum() + truth.sum()), 0.9)
        without = run(*command, "--output", consortium.folder / "none", check=False)
        self.assertIn("the job names the atlas 'organ': give its file with --atlas", without.stderr)
        wrong = run(*command, "--output", consortium.folder / "none", "--atlas", write_other(atlas, consortium.folder / "other.nii"), check=False)
        self.assertIn("isn't the job's atlas: expected the SHA-256", wrong.stderr)

    def check_fine_tuning(self, consortium, results, atlas):
        described = consortium.folder / "east.yaml"
        described.write_text(json.dumps(json.loads((consortium.folder / "east/client.yaml").read_text())["datasets"]["chest"]))
        run("consilium", "personalize", results, "--data", described, "--epochs", "1", "--atlas", atlas, "--out", consortium.folder / "tuned", timeout=300)
        lacking = run("consilium", "personalize", results, "--data", described, "--out", consortium.folder / "none", check=False)
        self.assertIn("give its file with --atlas", lacking.stderr)

    def test_a_site_with_another_file_or_none_is_named(self):
        with Consortium(SITES) as consortium:
            atlas = write_atlas(consortium.folder / "organ.nii")
            consortium.start_coordinator()
            self.start(consortium, "east", 0, atlases={"organ": str(atlas)})
            self.start(consortium, "north", 1, atlases={"organ": str(write_other(atlas, consortium.folder / "other.nii"))})
            self.start(consortium, "south", 2)
            consortium.wait_connected()
            spec = spec_for(atlas, masked=False)
            for site in ("south", "north"):
                spec["federation"] = {"rounds": 1, "sites": ["east", site], "minimum_sites": 2}
                declined = consortium.wait_ended(consortium.submit(spec), seconds=120)
                self.assertEqual(declined["phase"], "failed")
                self.assertIn(f"{site}: declined: atlases", declined["detail"])
            self.assertIn("this site has no atlas 'organ' (client.yaml: atlases)", consortium.daemons["south"].log)
            self.assertIn("isn't the job's atlas: expected the SHA-256 " + spec["data"]["atlas"]["sha256"], consortium.daemons["north"].log)


def write_other(atlas, file):
    """Writes a map with one different value."""
    changed = bytearray(atlas.read_bytes())
    changed[-1] ^= 1
    file.write_bytes(changed)
    return file


if __name__ == "__main__":
    unittest.main()
