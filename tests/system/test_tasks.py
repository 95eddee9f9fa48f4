"""Every kind of task through real daemons, masked, over folders of image files. It learns, and `simulate` gives the same model."""

import os
import random
import unittest

from consortium import POLICY, Consortium, job, population
from medicalfiles import png

SITES = ["east", "north", "south", "west"]
SIDE = 32
SPLITS = {"train": 24, "val": 8, "test": 8}


def square(draw, halves):
    """Draws a bright square of 8 to 12 pixels in each of the named halves. Returns the pixels, a mask, and the boxes (x, y, width)."""
    pixels, mask, boxes = bytearray(draw.randrange(60) for _ in range(SIDE * SIDE)), bytearray(SIDE * SIDE), []
    for half in halves:
        side = draw.randrange(8, 13)
        left, top = draw.randrange(SIDE // 2 - side + 1) + (SIDE // 2 if half else 0), draw.randrange(SIDE - side + 1)
        boxes.append((left, top, side))
        for row in range(top, top + side):
            for column in range(left, left + side):
                pixels[row * SIDE + column] = 180 + draw.randrange(60)
                mask[row * SIDE + column] = 255
    return bytes(pixels), bytes(mask), boxes


def write_site(folder, seed):
    """Writes images, masks, a table of labels and a table of boxes; each image's split is a column of the tables."""
    draw = random.Random(seed)
    labels, boxes = ["file,left,right,mask,split"], ["file,x,y,width,height"]
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True)
    for split, count in SPLITS.items():
        for number in range(count):
            halves = [half for half in (0, 1) if (number >> half) % 2 == 0] or [number // 4 % 2]
            pixels, mask, found = square(draw, halves)
            name = f"{split}{number:03}.png"
            (folder / "images" / name).write_bytes(png(pixels, SIDE))
            (folder / "masks" / name).write_bytes(png(mask, SIDE))
            labels.append(f"images/{name},{int(0 in halves)},{int(1 in halves)},masks/{name},{split}")
            boxes += [f"images/{name},{x},{y},{side},{side}" for x, y, side in found]
    (folder / "labels.csv").write_text("\n".join(labels) + "\n")
    (folder / "boxes.csv").write_text("\n".join(boxes) + "\n")
    return folder


def described(folder, preprocess=None, **labels):
    source = {"type": "table", "path": str(folder), "labels": {"table": "labels.csv", "key": "file", **labels}, "split": {"column": "split"},
              "loading": {"cache": "8KiB"}}
    return {**source, "preprocess": preprocess} if preprocess else source


def convolution(channels, stride=2, **keys):
    return {"conv": {"channels": channels, "kernel": 3, "stride": stride, "padding": 1}, **keys}


# A detector of one level, stride 8, as a graph of the job's own layers.
DETECTOR = {"layers": [convolution(8), {"groupnorm": 4}, "relu", convolution(16), {"groupnorm": 4}, "relu", convolution(32), {"relu": {}, "name": "features"},
                       convolution(1, 1, name="classes"), convolution(4, 1, name="sides", **{"from": "features"}),
                       convolution(1, 1, name="centre", **{"from": "features"})],
            "outputs": ["classes", "sides", "centre"], "input": [1, SIDE, SIDE], "classes": 1}
LABELLER = {"layers": [convolution(8), "relu", convolution(16), "relu", "flatten", {"linear": 2}], "input": [1, SIDE, SIDE], "classes": 2}
UNET = {"name": "unet", "width": 4, "depth": 2, "input": [1, SIDE, SIDE], "classes": 2}


class Tasks(unittest.TestCase):
    def learn(self, task, model, rounds, labels, preprocess=None):
        """Trains a masked job through the daemons and again in `simulate`. Returns the metrics of the test split after each round."""
        with Consortium(SITES, populations=population()) as consortium:
            data = {site: described(write_site(consortium.folder / "data" / site, index), preprocess, **labels) for index, site in enumerate(SITES)}
            consortium.start_coordinator()
            for site in SITES:
                scratch = {"scratch": str(consortium.folder), "scratch_size": "64MiB"} if site == "west" else None
                consortium.start_site(site, {"chest": data[site]}, policy=POLICY.replace("[classification]", f"[{task}]"), trainer=scratch)
            consortium.wait_connected()
            spec = job(masked=True, task=task, federation={"rounds": rounds},
                       training={"local_epochs": 4, "batch_size": 4, "optimizer": {"name": "adam", "learning_rate": 0.005}})
            spec.update(model=model, data={"dataset": "chest"})
            job_id = consortium.submit(spec)
            ended = consortium.wait_ended(job_id, seconds=240)
            self.assertEqual(ended["phase"], "finished", ended["detail"])
            self.assertGreater(os.stat(f"/proc/{consortium.trainer_of('west')}/fd/5").st_size, SIDE * SIDE, "nothing went to the scratch file")
            out = consortium.fetch(job_id)
            again = consortium.simulate(spec)
            self.assertEqual((out / "model.safetensors").read_bytes(), (again / "model.safetensors").read_bytes(), "daemons and simulation differ")
            return [entry["test"] for entry in ended["history"] if "test" in entry]

    def test_labels(self):
        history = self.learn("multi_label", LABELLER, 4, {"columns": ["left", "right"]})
        self.assertGreater(history[-1]["accuracy"], 0.9)

    def test_masks(self):
        history = self.learn("segmentation", UNET, 4, {"mask": "mask", "threshold": 127})
        self.assertGreater(history[-1]["dice"], 0.8)

    def test_masks_in_patches(self):
        patches = {"patches": {"size": [SIDE // 2, SIDE // 2], "per_item": 2, "foreground": 0.7}}
        history = self.learn("segmentation", {**UNET, "input": [1, SIDE // 2, SIDE // 2]}, 4, {"mask": "mask", "threshold": 127}, patches)
        self.assertEqual(history[-1]["examples"], SPLITS["test"] * len(SITES), "a case is a whole image")
        self.assertGreater(history[-1]["dice"], 0.7)

    def test_boxes(self):
        history = self.learn("detection", DETECTOR, 12, {"boxes": "boxes.csv"})
        self.assertGreater(history[-1]["map_50"], history[0]["map_50"] + 0.1)

    def test_masks_train_no_classifier(self):
        with Consortium(SITES, populations=population()) as consortium:
            data = {site: described(write_site(consortium.folder / "data" / site, index), mask="mask", threshold=127) for index, site in enumerate(SITES)}
            consortium.start_coordinator()
            for site in SITES:
                consortium.start_site(site, {"chest": data[site]})
            consortium.wait_connected()
            spec = job(masked=True, model=LABELLER)
            consortium.submit(spec)
            consortium.daemons["north"].wait_for_log("the data set's targets are of the kind 'mask', but a job of classification needs 'class'")


if __name__ == "__main__":
    unittest.main()
