"""Tests consilium-trainer predict: the files that a hospital gets for its own images from a federation's model, read by other programs."""

import csv
import itertools
import json
import os
import pathlib
import random
import shutil
import subprocess
import tempfile
import unittest

from packages import need

numpy, nibabel, pydicom, coco, Image = need("numpy", "nibabel", "pydicom", "pycocotools.coco", "PIL.Image")

import npz  # noqa: E402
import predictdata  # noqa: E402  (after need(), which skips the module where a package is missing)
from consortium import job, run  # noqa: E402
from medicalfiles import png  # noqa: E402
from test_tasks import DETECTOR, LABELLER, SIDE, SPLITS, UNET, convolution, described, square, write_site  # noqa: E402

SITES = ["east", "north"]
SHARED = pathlib.Path(__file__).resolve().parents[3] / "shared/data"
VOLUME = {"layers": [convolution(4, 1), "relu", convolution(2, 1)], "input": [1, 8, 16, 16], "classes": 2}
ODD_SIDES = (17, 26, 11)


def predict(*arguments, check=True, code=0):
    """Runs `predict` and returns its summary."""
    done = run("consilium-trainer", "predict", *arguments, "--json", check=False)
    if check and done.returncode != code:
        raise AssertionError(f"exited with {done.returncode}:\n{done.stdout}{done.stderr}")
    return json.loads(done.stdout) if done.stdout else done


def rows_of(table):
    """Returns the rows of a CSV file, each by the names of its columns."""
    return list(csv.DictReader(table.read_text().splitlines()))


class Prediction(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="consilium-predict-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder)

    @classmethod
    def new(cls, name):
        return pathlib.Path(tempfile.mkdtemp(prefix=f"{name}-", dir=cls.folder))

    @classmethod
    def simulate(cls, spec, sites):
        """Runs a federation over the sites' data sets, {name: description}. Returns the folder of its results."""
        folder = cls.new("federation")
        (folder / "data").mkdir()
        for site, description in sites.items():
            (folder / "data" / f"{site}.yaml").write_text(json.dumps(description))
        (folder / "job.yaml").write_text(json.dumps(spec))
        run("consilium", "simulate", folder / "job.yaml", "--site-data", folder / "data", "--out", folder / "results", timeout=300)
        return folder / "results"

    @classmethod
    def train(cls, spec, description, epochs):
        """Trains at one site alone. Returns the model and the job's file."""
        folder = cls.new("alone")
        (folder / "job.yaml").write_text(json.dumps(spec))
        (folder / "data.yaml").write_text(json.dumps(description))
        run("consilium-trainer", "train", folder / "job.yaml", "--data", folder / "data.yaml", "--out", folder / "model.safetensors",
            "--epochs", epochs, timeout=300)
        return folder


    def check_by_dicom3tools(self, file):
        """If dciodvfy is installed, checks with it that an object complies with the standard."""
        if os.environ.get("CONSILIUM_TEST_PACKAGES") == "required":
            self.assertTrue(shutil.which("dciodvfy"), "dciodvfy is missing; scripts/setup --tests installs Debian's dicom3tools")
        if shutil.which("dciodvfy"):
            checked = subprocess.run(["dciodvfy", "-new", str(file)], capture_output=True, text=True)
            said = checked.stdout + checked.stderr
            self.assertIn("Segmentation", said)
            self.assertNotIn("Error", said)


def task_job(task, model, rounds=2, **training):
    spec = job(task=task, federation={"rounds": rounds, "minimum_sites": 2}, evaluation={"every": rounds},
               training={"local_epochs": 4, "batch_size": 4, "optimizer": {"name": "adam", "learning_rate": 0.005}, **training})
    return {**spec, "model": model, "data": {"dataset": "chest", "normalize": {"mean": 0.3, "std": 0.25}}}


def parts_of(mask):
    """Counts the connected parts of a picture's mask; corners connect."""
    left, parts = {tuple(place) for place in numpy.argwhere(mask)}, 0
    while left:
        parts, todo = parts + 1, [left.pop()]
        while todo:
            y, x = todo.pop()
            near = {(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)} & left
            left -= near
            todo += near
    return parts


class SameAsEvaluation(Prediction):
    """Metrics computed from the predictions equal those of the federation's own evaluation."""

    def federation(self, task, model, labels, preprocess=None, **settings):
        """Trains a federation over pictures. Returns the last round's evaluation of the test split, and the predictions for its files, site
        by site."""
        sites = {site: described(write_site(self.new("site") / site, seed), preprocess, **labels) for seed, site in enumerate(SITES)}
        results = self.simulate(task_job(task, model, **settings), sites)
        predicted = {}
        for site, description in sites.items():
            config, images = self.new("config") / "client.yaml", self.new("images")
            config.write_text(json.dumps({"datasets": {"chest": description}}))
            for file in sorted((pathlib.Path(description["path"]) / "images").glob("test*.png")):
                shutil.copy(file, images)
            out = self.folder / f"{results.parent.name}-{site}"
            summary = predict("--model", results, "--data", f"{config}:chest", "--input", images, "--output", out, "--overlays")
            self.assertEqual((summary["predicted"], summary["failed"]), (SPLITS["test"], []))
            self.assertEqual(len(list((out / "overlays").glob("*.png"))), SPLITS["test"])
            predicted[site] = (pathlib.Path(description["path"]), out)
        return json.loads((results / "report.json").read_text())["rounds"][-1]["test"], predicted

    def test_labels(self):
        test, predicted = self.federation("multi_label", LABELLER, {"columns": ["left", "right"]})
        right = []
        for data, out in predicted.values():
            truth = {row["file"]: (int(row["left"]), int(row["right"])) for row in rows_of(data / "labels.csv")}
            for row in rows_of(out / "predictions.csv"):
                for label, name in enumerate(("left", "right")):
                    found, there = name in row["predicted"].split(";"), truth["images/" + row["file"]][label]
                    self.assertEqual(found, float(row[f"p_{name}"]) >= 0.5)
                    right.append(found == bool(there))
        self.assertAlmostEqual(sum(right) / len(right), test["accuracy"], places=9)

    def overlap_of(self, predicted):
        """Returns the correct, predicted and true pixels of each class, over all sites, as in reports."""
        overlap = numpy.zeros((2, 3), int)
        for data, out in predicted.values():
            for file in sorted((out / "masks").glob("*.png")):
                mask = numpy.asarray(Image.open(file))
                truth = (numpy.asarray(Image.open(data / "masks" / file.name)) > 127).astype(int)
                self.assertEqual(mask.shape, truth.shape)
                for label in (0, 1):
                    overlap[label] += [((mask == label) & (truth == label)).sum(), (mask == label).sum(), (truth == label).sum()]
        return overlap

    def test_masks(self):
        test, predicted = self.federation("segmentation", UNET, {"mask": "mask", "threshold": 127})
        self.assertGreater(test["dice"], 0.6)
        self.assertEqual(self.overlap_of(predicted).ravel().tolist(), test["overlap"])

    def test_masks_that_the_job_post_processes(self):
        """A network of one round leaves specks. The masks have only one part, and equal the ones that the evaluation counted."""
        task = {"name": "segmentation", "postprocess": {"largest_component": [1], "fill_holes": [1]}}
        test, predicted = self.federation(task, UNET, {"mask": "mask", "threshold": 127}, rounds=1, local_epochs=1)
        self.assertEqual(self.overlap_of(predicted).flatten().tolist(), test["overlap"])
        parts = [parts_of(numpy.asarray(Image.open(file)) == 1) for _, out in predicted.values() for file in (out / "masks").glob("*.png")]
        self.assertLessEqual(max(parts), 1)
        _, raw = self.federation("segmentation", UNET, {"mask": "mask", "threshold": 127}, rounds=1, local_epochs=1)
        parts = [parts_of(numpy.asarray(Image.open(file)) == 1) for _, out in raw.values() for file in (out / "masks").glob("*.png")]
        self.assertGreater(max(parts), 1)

    def test_masks_by_windows(self):
        patches = {"patches": {"size": [SIDE // 2, SIDE // 2], "per_item": 2, "foreground": 0.7}}
        test, predicted = self.federation("segmentation", {**UNET, "input": [1, SIDE // 2, SIDE // 2]}, {"mask": "mask", "threshold": 127}, patches)
        self.assertEqual(self.overlap_of(predicted).ravel().tolist(), test["overlap"])

    def test_boxes(self):
        test, predicted = self.federation("detection", DETECTOR, {"boxes": "boxes.csv"}, rounds=4, local_epochs=8,
                                          optimizer={"name": "adam", "learning_rate": 0.002})
        self.assertGreater(test["map"], 0.05)
        images, truths, found, shift = [], [], [], 0
        for data, out in predicted.values():
            boxes = {}
            for row in rows_of(data / "boxes.csv"):
                boxes.setdefault(row["file"], []).append([float(row[key]) for key in ("x", "y", "width", "height")])
            listed = json.loads((out / "images.json").read_text())
            for image in listed["images"]:
                self.assertEqual((image["width"], image["height"]), (SIDE, SIDE))
                images.append({**image, "id": image["id"] + shift})
                truths += [{"id": len(truths) + 1 + n, "image_id": image["id"] + shift, "category_id": 1, "bbox": box, "area": box[2] * box[3], "iscrowd": 0}
                           for n, box in enumerate(boxes["images/" + image["file_name"]])]
            found += [{**one, "image_id": one["image_id"] + shift} for one in json.loads((out / "detections.json").read_text())]
            shift += len(listed["images"])
        cocoeval = need("pycocotools.cocoeval")
        truth = coco.COCO()
        truth.dataset = {"info": {}, "images": images, "annotations": truths, "categories": listed["categories"]}
        truth.createIndex()
        judged = cocoeval.COCOeval(truth, truth.loadRes(found), "bbox")
        judged.evaluate()
        judged.accumulate()
        judged.summarize()
        self.assertAlmostEqual(judged.stats[0], test["map"], delta=1e-3)
        self.assertLess(test.get("map_error", 0), 1e-3)
        coco.COCO(str(out / "images.json")).loadRes(str(out / "detections.json"))


class Classes(Prediction):
    def test_a_federations_classes_are_those_of_its_evaluation_and_a_damaged_file_is_named(self):
        sites = {}
        for seed, site in enumerate(SITES):
            folder = self.new("site")
            for split, count in (("train", 48), ("test", 24)):
                images, labels = npz.striped_images(count, 10 * seed + len(split))
                for at in range(count):
                    file = folder / split / ["flat", "upright"][labels[at]] / f"{at:03}.png"
                    file.parent.mkdir(parents=True, exist_ok=True)
                    file.write_bytes(png(images[at], 28))
            sites[site] = {"type": "image_folder", "path": str(folder), "labels": {"classes": ["flat", "upright"]}, "split": {"folders": True}}
        results = self.simulate(job(federation={"rounds": 2, "minimum_sites": 2}), sites)
        confusion = numpy.zeros((2, 2), int)
        for site, description in sites.items():
            test = pathlib.Path(description["path"]) / "test"
            (test / "flat" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
            (test / "notes.txt").write_text("no image")
            out = self.folder / f"classes-{site}"
            summary = predict("--model", results, "--input", test, "--output", out, "--classes", "flat,upright", "--overlays", code=3)
            self.assertEqual(summary["predicted"], 24)
            self.assertEqual([one["file"] for one in summary["failed"]], ["flat/broken.png"])
            self.assertNotIn(str(test), summary["failed"][0]["why"])
            written = json.loads((out / "predictions.json").read_text())
            self.assertEqual(written["failed"], summary["failed"])
            self.assertIn("not a medical device", written["purpose"])
            for row, entry in zip(rows_of(out / "predictions.csv"), written["images"]):
                self.assertEqual((row["file"], row["predicted"]), (entry["file"], entry["predicted"]))
                self.assertAlmostEqual(sum(entry["probabilities"]), 1.0, places=6)
                confusion[["flat", "upright"].index(row["file"].split("/")[0])][["flat", "upright"].index(row["predicted"])] += 1
            self.assertEqual(len(list((out / "overlays").rglob("*.png"))), 24)
        test = json.loads((results / "report.json").read_text())["rounds"][-1]["test"]
        self.assertEqual(confusion.ravel().tolist(), test["confusion"])
        self.check_page(results, out)
        self.check_refusals(results, out)

    def check_page(self, results, predicted):
        """Checks that predictions of the model become pictures of the report's page, and that those of another model are refused."""
        page = results / "report.html"
        before = page.read_text()
        made = run("consilium", "report", results, "--examples", predicted, "--out", self.folder / "board.html")
        self.assertIn("12 example predictions", made.stdout)
        self.assertEqual((self.folder / "board.html").read_text().count("data:image/png;base64,"), 12)
        self.assertEqual(page.read_text(), before)
        run("consilium", "report", results, "--examples", predicted)
        self.assertEqual(page.read_text(), (self.folder / "board.html").read_text())
        listed = json.loads((predicted / "predictions.json").read_text())
        (predicted / "predictions.json").write_text(json.dumps({**listed, "model": "0" * 64}))
        refused = run("consilium", "report", results, "--examples", predicted, check=False)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("predict with the model that the page is about", refused.stderr)
        (predicted / "predictions.json").write_text(json.dumps(listed))

    def check_refusals(self, results, out):
        """Checks that unusable input is refused with a message: a folder that holds files, a data set without a description, a failed job,
        another model."""
        image = self.new("one") / "image.png"
        image.write_bytes(png(bytes(784), 28))
        config = self.new("config") / "client.yaml"
        config.write_text(json.dumps({"datasets": {"chest": {"type": "image_folder", "path": "/nowhere"}}}))
        failed, other = (pathlib.Path(shutil.copytree(results, self.new("copies") / name)) for name in ("failed", "other"))
        report = json.loads((results / "report.json").read_text())
        (failed / "report.json").write_text(json.dumps({**report, "phase": "failed", "detail": "too few sites"}))
        (other / "report.json").write_text(json.dumps({**report, "model": "0" * 64}))
        never = self.folder / "never"
        for model, target, more, code, words in ((results, out, (), 2, "isn't empty"),
                                                 (results, never, ("--data", f"{config}:chst"), 2, "'chst' isn't there; expected one of: chest"),
                                                 (failed, never, (), 1, "has failed (too few sites)"),
                                                 (other, never, (), 1, "is not the model that")):
            done = run("consilium-trainer", "predict", "--model", model, "--input", image, "--output", target, *more, check=False)
            self.assertEqual(done.returncode, code, done.stderr)
            self.assertIn(words, done.stderr)
        self.assertFalse(never.exists())
        predict("--model", results, "--input", image, "--output", out, "--force")
        predict("--model", results / "model.safetensors", "--job", other / "report.json", "--input", image, "--output", self.folder / "by-report")

    def test_a_folder_with_files_and_a_model_without_its_job_are_refused(self):
        folder = self.new("refused")
        (folder / "image.png").write_bytes(png(bytes(784), 28))
        for arguments, words in ((("--model", folder / "model.safetensors", "--input", folder, "--output", folder / "out"), "no such file"),
                                 (("--model", folder, "--input", folder, "--output", folder / "out"), "model.safetensors")):
            done = run("consilium-trainer", "predict", *arguments, check=False)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(words, done.stderr)
        shown = run("consilium-trainer", "predict", "--help").stdout
        self.assertIn("Examples:", shown)


class Volumes(Prediction):
    """A model of volumes, trained on NIfTI files and used on NIfTI and DICOM."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        data = cls.folder / "volumes"
        for number in range(14):
            sides = [(16, 24, 20), (12, 18, 30)][number % 2]
            values, mask = predictdata.blob(sides, number)
            predictdata.write_nifti(data / "images" / f"{number:02}.nii.gz", values, predictdata.ODD_AFFINE)
            predictdata.write_nifti(data / "masks" / f"{number:02}.nii.gz", mask, predictdata.ODD_AFFINE)
        cls.description = {"type": "nifti", "path": str(data), "labels": {"masks": "masks", "classes": ["background", "lesion"]},
                           "split": {"shares": [0.7, 0.0, 0.3]},
                           "preprocess": {"window": {"low": 0, "high": 300}, "patches": {"size": [8, 16, 16], "per_item": 4, "foreground": 0.7}}}
        cls.spec = {**task_job("segmentation", VOLUME, optimizer={"name": "adam", "learning_rate": 0.02}), "data": {"dataset": "chest"}}
        cls.model = cls.train(cls.spec, cls.description, 10)

    def used(self, *arguments, **options):
        return predict("--model", self.model / "model.safetensors", "--job", self.model / "job.yaml", *arguments, **options)

    def test_nifti_masks_lie_on_their_images(self):
        images, truths = self.new("nifti"), {}
        for name, version in (("one.nii.gz", 1), ("deep/two.nii", 2)):
            values, truths[name] = predictdata.blob(ODD_SIDES, 100 + version)
            predictdata.write_nifti(images / name, values, predictdata.ODD_AFFINE, version)
        out = self.folder / "nifti-masks"
        summary = self.used("--data", self.model / "data.yaml", "--input", images, "--output", out, "--overlays")
        self.assertEqual(summary["predicted"], 2)
        for name, truth in truths.items():
            image, mask = nibabel.load(images / name), nibabel.load(out / "masks" / name)
            self.assertEqual(mask.shape, image.shape)
            self.assertEqual(mask.get_data_dtype(), numpy.uint8)
            self.assertEqual(type(mask), type(image))
            numpy.testing.assert_array_equal(mask.affine, image.affine)
            for form in ("get_sform", "get_qform"):
                (ours, our_code), (theirs, their_code) = getattr(mask, form)(coded=True), getattr(image, form)(coded=True)
                self.assertEqual(our_code, their_code)
                numpy.testing.assert_array_equal(ours, theirs)
            self.assertEqual(mask.header.get_xyzt_units()[0], "mm")
            self.assertGreater(predictdata.dice(mask.dataobj, truth), 0.9)
        rows = {row["file"]: row for row in rows_of(out / "predictions.csv")}
        found = int(numpy.asarray(nibabel.load(out / "masks/one.nii.gz").dataobj).sum())
        self.assertEqual(int(rows["one.nii.gz"]["voxels_lesion"]), found)
        volume = abs(numpy.linalg.norm(predictdata.ODD_AFFINE[:3, :3], axis=0).prod()) * found / 1000
        self.assertAlmostEqual(float(rows["one.nii.gz"]["ml_lesion"]), volume, delta=1e-4 * volume)
        self.assertTrue((out / "overlays/deep/two.png").exists())

    def test_masks_are_what_evaluation_counts(self):
        evaluated = json.loads(run("consilium-trainer", "evaluate", self.model / "job.yaml", "--model", self.model / "model.safetensors",
                                   "--data", self.model / "data.yaml", "--json").stdout)
        out = self.folder / "all-masks"
        self.used("--data", self.model / "data.yaml", "--input", pathlib.Path(self.description["path"]) / "images", "--output", out)
        # Only the trainer knows the split, so the test takes the cases whose overlaps add up to the evaluated ones.
        counts = []
        for file in sorted((out / "masks").glob("*.nii.gz")):
            mask = numpy.asarray(nibabel.load(file).dataobj)
            truth = numpy.asarray(nibabel.load(pathlib.Path(self.description["path"]) / "masks" / file.name).dataobj)
            counts.append([[((mask == c) & (truth == c)).sum(), (mask == c).sum(), (truth == c).sum()] for c in (0, 1)])
        wanted = numpy.reshape(evaluated["overlap"], (2, 3))
        self.assertTrue(any((numpy.sum(some, axis=0) == wanted).all() for some in itertools.combinations(counts, evaluated["examples"])),
                        "no choice of cases has the overlap that evaluation counted")

    def test_a_dicom_series_gets_a_segmentation(self):
        volume, truth = predictdata.blob((14, 22, 26), 200)
        series = self.new("series")
        slices = predictdata.write_series(series, volume)
        (series / "broken.dcm").write_bytes((series / "000.dcm").read_bytes()[:300])
        out = self.folder / "segmentation"
        summary = self.used("--data", self.model / "data.yaml", "--input", series, "--output", out, "--overlays", code=3)
        self.assertEqual((summary["predicted"], [one["file"] for one in summary["failed"]]), (1, ["broken.dcm"]))
        file, = (out / "masks").glob("*.dcm")
        segmentation, frames = predictdata.read_segments(file)
        self.assertEqual((segmentation.SOPClassUID, segmentation.Modality, segmentation.SegmentationType),
                         (pydicom.uid.SegmentationStorage, "SEG", "BINARY"))
        for key in ("PatientID", "PatientName", "StudyInstanceUID", "FrameOfReferenceUID", "AccessionNumber"):
            self.assertEqual(segmentation[key].value, slices[0][key].value)
        self.assertNotEqual(segmentation.SeriesInstanceUID, slices[0].SeriesInstanceUID)
        segment, = segmentation.SegmentSequence
        self.assertEqual((segment.SegmentLabel, segment.SegmentAlgorithmType), ("lesion", "AUTOMATIC"))
        self.assertIn("stripes", segment.SegmentAlgorithmName)  # the job's name
        referenced = segmentation.ReferencedSeriesSequence[0]
        self.assertEqual(referenced.SeriesInstanceUID, slices[0].SeriesInstanceUID)
        self.assertEqual({one.ReferencedSOPInstanceUID for one in referenced.ReferencedInstanceSequence}, {one.SOPInstanceUID for one in slices})
        found = numpy.zeros_like(truth)
        by_instance = {one.SOPInstanceUID: index for index, one in enumerate(slices)}
        for frame in frames:
            index = by_instance[frame["source"]]
            numpy.testing.assert_allclose([float(x) for x in frame["position"]], [float(x) for x in slices[index].ImagePositionPatient], atol=1e-6)
            found[index] = frame["pixels"]
        self.assertGreater(predictdata.dice(found, truth), 0.9)
        measures = segmentation.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
        self.assertEqual([float(x) for x in measures.PixelSpacing], [0.7, 0.9])
        self.check_by_dicom3tools(file)
        # Our own decoder finds the segmentation beside the images, and skips it.
        (series / "broken.dcm").unlink()
        shutil.copy(file, series / "mask.dcm")
        summary = self.used("--data", self.model / "data.yaml", "--input", series, "--output", self.folder / "again")
        self.assertEqual((summary["predicted"], summary["skipped"]), (1, 1))

    def test_without_a_description_volumes_are_resized_and_masks_resized_back(self):
        values, truth = predictdata.blob((19, 31, 23), 300)
        images = self.new("resized")
        predictdata.write_nifti(images / "a.nii.gz", values, predictdata.ODD_AFFINE)
        (images / "window.yaml").write_text("window: {low: 0, high: 300}\nsize: [8, 16, 16]\n")
        out = self.folder / "resized-masks"
        self.used("--preprocess", images / "window.yaml", "--input", images / "a.nii.gz", "--output", out)
        mask = nibabel.load(out / "masks/a.nii.gz")
        self.assertEqual(mask.shape, truth.shape)
        self.assertGreater(predictdata.dice(mask.dataobj, truth), 0.6)

    def test_real_volumes(self):
        """Volumes of the shared data: masks align with their images, and segmentations comply with the standard."""
        if not (SHARED / "msd-hippocampus").is_dir():
            self.skipTest(f"no {SHARED}")
        images = self.new("real")
        turned = [SHARED / "nifti" / name for name in ("anatomical.nii", "standard.nii.gz", "someones_anatomy.nii.gz", "reoriented_anat_moved.nii")]
        for file in [*sorted((SHARED / "msd-hippocampus/images").glob("*.nii.gz"))[:3], *turned, SHARED / "dicom-seg/24x38x3/image"]:
            (shutil.copytree if file.is_dir() else shutil.copy)(file, images / file.name)
        out = self.folder / "real-masks"
        summary = self.used("--data", self.model / "data.yaml", "--input", images, "--output", out, "--overlays")
        self.assertEqual(summary["failed"], [])
        for file in (out / "masks").rglob("*.nii*"):
            image, mask = nibabel.load(images / file.relative_to(out / "masks")), nibabel.load(file)
            self.assertEqual(mask.shape, image.shape[:3])
            numpy.testing.assert_array_equal(mask.affine, image.affine)
        segmentations = sorted((out / "masks").rglob("*.dcm"))
        self.assertTrue(segmentations)
        for file in segmentations:
            segmentation, frames = predictdata.read_segments(file)
            self.assertEqual(len(frames), segmentation.NumberOfFrames)
            self.check_by_dicom3tools(file)


class Pictures(Prediction):
    """A model of pictures' masks, on the formats that hospitals have beside PNG."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        model = {"layers": [convolution(4, 1), "relu", convolution(2, 1)], "input": [1, SIDE, SIDE], "classes": 2}
        spec = {**task_job("segmentation", model, optimizer={"name": "adam", "learning_rate": 0.02}), "data": {"dataset": "chest"}}
        cls.model = cls.train(spec, described(write_site(cls.folder / "pictures", 5), mask="mask", threshold=127), 12)
        (cls.model / "as_bytes.yaml").write_text(f"window: {{low: 0, high: 255}}\nsize: [{SIDE}, {SIDE}]\n")

    def used(self, *arguments, **options):
        return predict("--model", self.model / "model.safetensors", "--job", self.model / "job.yaml", "--classes", "background,square", *arguments, **options)

    def square(self, seed):
        pixels, mask, _ = square(random.Random(seed), [0])
        return numpy.frombuffer(pixels, numpy.uint8).reshape(SIDE, SIDE), numpy.frombuffer(mask, numpy.uint8).reshape(SIDE, SIDE) > 0

    def test_pictures_of_other_sizes_get_masks_of_theirs(self):
        pixels, truth = self.square(1)
        images = self.new("sizes")
        for name, size in (("large.png", (70, 90)), ("large.tif", (70, 90)), ("same.jpg", (SIDE, SIDE))):
            Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC).save(images / name)
        out = self.folder / "sizes-masks"
        self.used("--input", images, "--output", out)
        for name, size in (("large.png", (70, 90)), ("large.tif.png", (70, 90)), ("same.png", (SIDE, SIDE))):
            mask = Image.open(out / "masks" / name)
            self.assertEqual((mask.size, mask.mode), (size, "P"))
            wanted = numpy.asarray(Image.fromarray(truth).resize(size))
            self.assertGreater(predictdata.dice(numpy.asarray(mask), wanted), 0.85, name)

    def test_a_radiograph_without_a_place_in_the_patient_gets_a_segmentation(self):
        pixels, truth = self.square(2)
        images = self.new("radiograph")
        predictdata.write_radiograph(images / "chest", pixels)
        out = self.folder / "radiograph-mask"
        self.used("--preprocess", self.model / "as_bytes.yaml", "--input", images, "--output", out)
        segmentation, frames = predictdata.read_segments(out / "masks/chest.dcm")
        self.assertNotIn("FrameOfReferenceUID", segmentation)
        self.assertEqual(frames[0]["source"], pydicom.dcmread(images / "chest").SOPInstanceUID)
        self.assertGreater(predictdata.dice(frames[0]["pixels"], truth), 0.85)
        self.check_by_dicom3tools(out / "masks/chest.dcm")

    def test_a_dicom_file_of_several_frames_gets_one_segmentation(self):
        values = [self.square(seed) for seed in (3, 4, 5)]
        images = self.new("frames")
        predictdata.write_radiograph(images / "cine.dcm", numpy.stack([pixels for pixels, _ in values]))
        (images / "slices.yaml").write_text((self.model / "as_bytes.yaml").read_text() + "slices: axial\n")
        out = self.folder / "frames-mask"
        self.used("--preprocess", images / "slices.yaml", "--input", images / "cine.dcm", "--output", out)
        _, frames = predictdata.read_segments(out / "masks/cine.dcm")
        self.check_by_dicom3tools(out / "masks/cine.dcm")
        self.assertEqual([frame["number"] for frame in frames], [1, 2, 3])
        for frame, (_, truth) in zip(frames, values):
            self.assertGreater(predictdata.dice(frame["pixels"], truth), 0.85)

    def test_files_that_are_good_and_bad(self):
        """The shared data's DICOM files, many of them deliberately broken. Each is predicted or named, and none ends the run."""
        if not (SHARED / "dicom").is_dir():
            self.skipTest(f"no {SHARED}")
        out = self.folder / "good-and-bad"
        summary = self.used("--input", SHARED / "dicom", "--output", out, "--overlays", code=3)
        self.assertGreater(summary["predicted"], 20)
        self.assertGreater(len(summary["failed"]), 3)
        for file in (out / "masks").rglob("*.dcm"):
            predictdata.read_segments(file)


if __name__ == "__main__":
    unittest.main()
