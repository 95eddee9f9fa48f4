"""Checks that exported models compute the same as the trainer's own network: ONNX in onnxruntime, safetensors in PyTorch."""

import contextlib
import functools
import json
import os
import pathlib
import random
import re
import shutil
import subprocess
import tempfile
import unittest

import medicalfiles
import npz
from consortium import BIN, job, run
from packages import need

numpy, onnx, onnxruntime, safetensors, torch, torchvision = need("numpy", "onnx", "onnxruntime", "safetensors", "torch", "torchvision")
load_file = need("safetensors.numpy").load_file

torch.set_num_threads(1)
ROOT = pathlib.Path(__file__).resolve().parents[2]
MOST_ERROR = 1e-4  # of an output, relative to its size

COLOURS = {"mean": [0.4, 0.5, 0.6], "std": [0.2, 0.3, 0.25]}
# Small models of each known name, with their tasks unless they classify.
KNOWN = {
    "fedavg_cnn": {"model": {"name": "fedavg_cnn", "input": [1, 28, 28], "classes": 10}, "data": {"normalize": {"mean": 0.3, "std": 0.4}}},
    "mlp_2nn": {"model": {"name": "mlp_2nn", "input": [60], "classes": 10}, "data": {"normalize": {"mean": 0.3, "std": 0.4}}},
    "mlp_2nn, images": {"model": {"name": "mlp_2nn", "input": [1, 14, 14], "classes": 3}, "task": "multi_label"},
    "resnet18": {"model": {"name": "resnet18", "stem": "imagenet", "input": [3, 64, 64], "classes": 3}, "data": {"normalize": COLOURS}},
    "resnet18, small": {"model": {"name": "resnet18", "input": [1, 28, 28], "classes": 10}},
    "resnet18, grouped": {"model": {"name": "resnet18", "norm": "group", "input": [3, 32, 32], "classes": 2}, "data": {"normalize": COLOURS}},
    "resnet34": {"model": {"name": "resnet34", "input": [1, 16, 16], "classes": 2}},
    "resnet50": {"model": {"name": "resnet50", "stem": "imagenet", "input": [3, 64, 64], "classes": 2}, "data": {"normalize": COLOURS}},
    "densenet121": {"model": {"name": "densenet121", "stem": "imagenet", "input": [3, 64, 64], "classes": 4}, "data": {"normalize": COLOURS}},
    "r3d_18": {"model": {"name": "r3d_18", "input": [3, 8, 32, 32], "classes": 2}, "data": {"normalize": COLOURS}},
    "unet": {"model": {"name": "unet", "width": 8, "input": [1, 32, 48], "classes": 2}, "task": "segmentation", "data": {"normalize": {"mean": 0.3, "std": 0.4}}},
    "unet, volumes": {"model": {"name": "unet", "width": 8, "depth": 2, "norm": "group", "input": [2, 8, 16, 12], "classes": 3}, "task": "segmentation"},
    "fcos_resnet18": {"model": {"name": "fcos_resnet18", "input": [3, 128, 128], "classes": 2}, "task": "detection", "data": {"normalize": COLOURS}},
    "fcos_resnet18, odd sides": {"model": {"name": "fcos_resnet18", "width": 64, "input": [1, 72, 100], "classes": 1}, "task": "detection"},
}


def conv(channels, kernel=3, **keys):
    named = {key: keys.pop(key) for key in ("name", "from", "weights") if key in keys}
    return {"conv": {"channels": channels, "kernel": kernel, **keys}, **named}


# Layers that no known model has, or only in one form, in pictures and volumes.
LAYERS = {
    "pictures": {"layers": [conv(8, [3, 5], stride=[1, 2], padding=[1, 2], name="first"), {"groupnorm": 4}, "relu", {"maxpool": {"kernel": 3, "stride": 2, "padding": 1}},
                            conv(8, padding="same", bias=False, name="shared"), {"instancenorm": {}}, conv(8, padding="same", bias=False, weights="shared"),
                            {"upsample": {"factor": 3, "mode": "nearest"}, "name": "copied"}, {"upsample": {"factor": 3}, "from": ["6"], "name": "smooth"},
                            {"transposed_conv": {"channels": 8, "kernel": 3}, "from": ["6"], "name": "grown"}, {"add": {}, "from": ["copied", "smooth", "grown"], "name": "sum"},
                            {"concat": {}, "from": ["sum", "grown", "smooth"]}, {"basic_block": {"channels": 6, "stride": 2}}, {"avgpool": {"kernel": [2, 3], "stride": 2}},
                            {"dropout": 0.5}, "flatten", {"linear": {"features": 12, "bias": False}}, "batchnorm", {"groupnorm": 3}, "relu", {"linear": 3}],
                 "input": [2, 12, 16], "classes": 3},
    "volumes": {"layers": [conv(8, [1, 3, 3], stride=[1, 2, 2], padding=[0, 1, 1]), {"groupnorm": 2}, "relu", {"name": "small", "maxpool": 2},
                           {"upsample": 2, "from": ["small"], "name": "smooth"}, {"upsample": {"factor": 2, "mode": "nearest"}, "from": ["small"], "name": "copied"},
                           {"transposed_conv": {"channels": 8, "kernel": 2, "bias": False}, "from": ["small"], "name": "grown"},
                           {"upsample_like": {}, "from": ["small", "2"], "name": "alike"}, {"add": {}, "from": ["smooth", "copied", "grown", "alike"]}, {"instancenorm": {}},
                           {"basic_block": {"channels": 4}}, {"avgpool": [1, 2, 2]}, "batchnorm", "global_avgpool", {"dropout": 0.1}, {"linear": 2}],
                "input": [1, 4, 16, 16], "classes": 2},
    # From 2 to 82, the nearest positions depend on the order of rounding.
    "ratios": {"layers": [conv(2, 41, stride=41, name="corners"), {"upsample_like": {}, "from": ["corners", "input"]}, conv(3, 1, name="map")],
               "input": [1, 82, 82], "classes": 3},
    "constant output": {"layers": [conv(4, padding="same"), {"dropout": 0.5}], "input": [1, 8, 8], "classes": 4},
}


def run_onnx(file):
    """Opens a file in onnxruntime, on one thread: if every core is busy, threads that wait for each other take minutes."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])


@functools.lru_cache(maxsize=None)
def page_modules():
    """Returns the definitions of the Python code in docs/researcher/models.md."""
    names = {}
    for block in re.findall(r"```python\n(.*?)```", (ROOT / "docs/researcher/models.md").read_text(), re.S)[:2]:
        exec(block, names)
    return names


class Exported(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="consilium-export-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def run_network(self, sections):
        """Has the trainer's network compute a job's model with invented weights. Returns the images and the network's outputs."""
        spec = job(federation={"rounds": 1})
        del spec["data"]["normalize"], spec["model"]
        for section, value in sections.items():
            spec[section] = {**spec.get(section, {}), **value} if isinstance(value, dict) else value
        self.job = self.folder / "job.json"
        self.job.write_text(json.dumps(spec))
        run("consilium-run-network", self.job, self.folder)
        values = load_file(self.folder / "values.safetensors")
        return values["input"], [values[f"output.{number}"] for number in range(len(values) - 1)]

    def export(self, format):
        file = self.folder / f"exported.{format}"
        run("consilium", "export", self.folder / "model.safetensors", "--job", self.job, "--format", format, "--output", file, "--force")
        return file

    def assert_same(self, computed, expected):
        self.assertEqual(len(computed), len(expected))
        self.assertGreater(expected[0].std(axis=0).mean(), 0.01 * numpy.abs(expected[0]).mean(), "the images are told apart")
        for ours, theirs in zip(expected, computed):
            self.assertEqual(ours.shape, theirs.shape)
            size = numpy.sqrt(numpy.mean(ours.astype(float) ** 2))
            numpy.testing.assert_allclose(theirs, ours, rtol=MOST_ERROR, atol=MOST_ERROR * size)

    def check_onnx(self, sections):
        images, expected = self.run_network(sections)
        file = self.export("onnx")
        onnx.checker.check_model(onnx.load(file), full_check=True)
        session = run_onnx(file)
        name = session.get_inputs()[0].name
        self.assert_same(session.run(None, {name: images}), expected)
        self.assert_same(session.run(None, {name: images[1:]}), [output[1:] for output in expected])  # another number of images
        return session

    def test_onnxruntime_computes_every_known_model_as_the_trainer_does(self):
        known = run("consilium-run-network", "--known").stdout.split()
        self.assertEqual(sorted(known), sorted({title.partition(",")[0] for title in KNOWN}))
        for title, sections in KNOWN.items():
            with self.subTest(title):
                self.check_onnx(sections)

    def test_onnxruntime_computes_layers_as_the_trainer_does(self):
        for title, model in LAYERS.items():
            with self.subTest(title):
                self.check_onnx({"model": model, "task": "segmentation" if title in ("ratios", "constant output") else "classification"})

    def test_a_detector_has_three_outputs_for_each_level(self):
        session = self.check_onnx(KNOWN["fcos_resnet18, odd sides"])
        self.assertEqual([output.name for output in session.get_outputs()],
                         [f"{what}_{level}" for level in range(5) for what in ("logits", "distances", "centreness")])
        self.assertEqual(session.get_outputs()[1].shape, ["N", 4, 9, 13])

    def torch_outputs(self, module, images, mean, deviation, compute=None):
        """Loads the exported file with every key, and returns the outputs of the module (or of `compute`) for normalised images."""
        module.load_state_dict(need("safetensors.torch").load_file(self.export("safetensors")), strict=True)
        module.eval()
        shape = (1, -1, *[1] * (images.ndim - 2))
        normalised = torch.from_numpy((images - numpy.reshape(mean, shape)) / numpy.reshape(deviation, shape)).float()
        with torch.inference_mode():
            return (compute or module)(normalised)

    def test_torchvision_computes_the_safetensors_file_as_the_trainer_does(self):
        models = torchvision.models
        modules = {"resnet18": lambda classes: models.resnet18(num_classes=classes), "resnet50": lambda classes: models.resnet50(num_classes=classes),
                   "densenet121": lambda classes: models.densenet121(num_classes=classes), "r3d_18": lambda classes: models.video.r3d_18(num_classes=classes)}
        for name, make in modules.items():
            with self.subTest(name):
                images, expected = self.run_network(KNOWN[name])
                module = make(KNOWN[name]["model"]["classes"])
                self.assert_same([self.torch_outputs(module, images, COLOURS["mean"], COLOURS["std"]).numpy()], expected)

    def test_torchvision_computes_a_detector_as_the_trainer_does(self):
        sections = KNOWN["fcos_resnet18"]
        images, expected = self.run_network(sections)
        detector = page_modules()["fcos_resnet18"](sections["model"]["input"], sections["model"]["classes"])
        found = self.torch_outputs(detector, images, COLOURS["mean"], COLOURS["std"], lambda image: detector.head(list(detector.backbone(image).values())))
        rows = lambda kind: numpy.concatenate([output.reshape(*output.shape[:2], -1).transpose(0, 2, 1) for output in expected[kind::3]], 1)
        self.assert_same([found[key].numpy() for key in ("cls_logits", "bbox_regression", "bbox_ctrness")],
                         [rows(0), numpy.maximum(rows(1), 0), rows(2)])

    def test_the_pages_module_computes_a_unet_as_the_trainer_does(self):
        images, expected = self.run_network(KNOWN["unet"])
        self.assert_same([self.torch_outputs(page_modules()["UNet"](width=8), images, [0.3], [0.4]).numpy()], expected)

    def simulate(self, **sections):
        """Trains on striped images at two simulated sites; returns the result folder and the test split."""
        splits = {split: npz.striped_images(count, seed) for seed, (split, count) in enumerate({"train": 64, "val": 8, "test": 48}.items())}
        data, spec = self.folder / "stripes.npz", self.folder / "job.json"
        npz.write(data, npz.dataset(splits["train"], splits["val"], splits["test"]))
        spec.write_text(json.dumps(job(federation={"rounds": 2}, **sections)))
        run("consilium", "simulate", spec, "--data", data, "--sites", 2, "--out", self.folder / "results")
        return self.folder / "results", splits["test"]

    def test_the_graph_takes_images_as_the_data_set_has_them_and_is_as_accurate_as_the_report_says(self):
        results, (pixels, labels) = self.simulate()
        file = self.folder / "stripes.onnx"
        printed = json.loads(run("consilium", "export", results, "--format", "onnx", "--output", file, "--json").stdout)
        report = json.loads((results / "report.json").read_text())
        self.assertEqual(printed, {"job": "stripes", "round": 2, "format": "onnx", "file": str(file), "parameters": printed["parameters"],
                                   "inputs": [{"name": "image", "shape": ["N", 1, 28, 28]}], "outputs": [{"name": "logits", "shape": ["N", 2]}]})
        images = numpy.frombuffer(b"".join(pixels), numpy.uint8).reshape(-1, 1, 28, 28).astype(numpy.float32) / 255
        session = run_onnx(file)
        (logits,) = session.run(["logits"], {"image": images})
        accuracy = numpy.mean(logits.argmax(1) == numpy.asarray(labels))
        self.assertGreater(accuracy, 0.6)
        self.assertAlmostEqual(accuracy, report["rounds"][-1]["test"]["accuracy"], places=6)
        # The effect of the graph's own steps is large enough for this test to notice.
        (twice,) = session.run(["logits"], {"image": (images - 0.5) / 0.5})
        self.assertGreater(numpy.abs(twice - logits).max(), 0.01)
        said = session.get_modelmeta().custom_metadata_map
        self.assertEqual({key: said[key] for key in ("job", "task", "classes", "round", "model_digest", "job_digest")},
                         {"job": "stripes", "task": "classification", "classes": "2", "round": "2", "model_digest": report["model"], "job_digest": report["job_digest"]})
        self.assertEqual(json.loads(said["normalize"]), {"mean": [0.5], "std": [0.5]})

    def test_the_command_refuses_what_it_should(self):
        results, _ = self.simulate()
        export = lambda *arguments: run("consilium", "export", *arguments, check=False, cwd=self.folder)
        done = export("results", "--format", "safetensors")  # named after the job, because no file is named
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("stripes.safetensors: the model of stripes after round 2", done.stdout)
        file = self.folder / "stripes.safetensors"
        with safetensors.safe_open(file, "numpy") as opened:
            self.assertEqual(opened.metadata()["format"], "pt")
            self.assertEqual(json.loads(opened.metadata()["normalize"]), {"mean": [0.5], "std": [0.5]})
        file.write_bytes(b"mine")
        done = export("results", "--format", "safetensors")
        self.assertEqual((done.returncode, file.read_bytes()), (1, b"mine"))
        self.assertIn("stripes.safetensors already exists; name another file, or replace it with --force", done.stderr)
        self.assertEqual(export("results", "--format", "safetensors", "--force").returncode, 0)
        self.assertNotEqual(file.read_bytes(), b"mine")
        self.assertEqual(export("results", "--format", "pickle").returncode, 2)
        self.assertEqual(export("results").returncode, 2)
        self.assertEqual(export("nothing", "--format", "onnx").returncode, 1)
        self.assertEqual(export("results", "--format", "onnx", "--output", "results").returncode, 2)

        report = (results / "report.json").read_text()
        other = json.loads(report)
        other["job"]["model"]["classes"], other["job"]["model"]["layers"][-1]["linear"]["features"] = 3, 3
        (results / "report.json").write_text(json.dumps(other))
        done = export("results", "--format", "onnx")
        self.assertEqual(done.returncode, 1)
        self.assertIn("results/report.json: job: was changed after the report was written", done.stderr)
        other.pop("job_digest")
        (results / "report.json").write_text(json.dumps(other))
        done = export("results", "--format", "onnx")
        self.assertEqual(done.returncode, 2)
        self.assertIn("results/model.safetensors: tensor '4.weight': expected shape [3, 196], found [2, 196]", done.stderr)
        self.assertIn("(expected the model of job 'stripes' in results/report.json)", done.stderr)
        (results / "report.json").write_text(json.dumps({**json.loads(report), "phase": "failed", "detail": "too few sites"}))
        done = export("results", "--format", "onnx")
        self.assertEqual(done.returncode, 1)
        self.assertIn("results: its report says that the job 'stripes' has failed (too few sites)", done.stderr)
        self.assertFalse((self.folder / "stripes.onnx").exists())
        self.assertEqual(export("results/model.safetensors", "--format", "onnx").returncode, 1)
        local = json.loads(report)
        local["job"]["model"]["local"] = ["0"]
        local.pop("job_digest")
        (results / "report.json").write_text(json.dumps(local))
        done = export("results", "--format", "onnx")
        self.assertEqual(done.returncode, 1)
        self.assertIn("lacks the layers that the job leaves to its sites (model.local", done.stderr)
        (results / "report.json").unlink()
        done = export("results/model.safetensors", "--format", "onnx")
        self.assertEqual(done.returncode, 2)
        self.assertIn("results/model.safetensors: found no report.json beside it", done.stderr)
        self.assertEqual(export("results/model.safetensors", "--job", "job.json", "--format", "onnx").returncode, 0)

    def test_what_the_page_for_researchers_shows_runs(self):
        section = (ROOT / "docs/researcher/README.md").read_text().partition("## Use the model elsewhere\n")[2].partition("\n## ")[0]
        shell, with_onnx, with_torch = re.findall(r"```(?:sh|python)\n(.*?)```", section, re.S)
        side = 32
        colours = {split: npz.Array("|u1", (8, side, side, 3), random.Random(split).randbytes(8 * side * side * 3)) for split in ("train", "val", "test")}
        labels = npz.Array("|u1", (8, 1), bytes([0, 1] * 4))
        npz.write(self.folder / "colours.npz", {f"{split}_{kind}": colours[split] if kind == "images" else labels for split in colours for kind in ("images", "labels")})
        spec = job(federation={"rounds": 1}, data={"normalize": COLOURS}, evaluation={"every": 0})
        spec["model"] = {"name": "resnet18", "stem": "imagenet", "input": [3, side, side], "classes": 2}
        (self.folder / "job.json").write_text(json.dumps(spec))
        run("consilium", "simulate", self.folder / "job.json", "--data", self.folder / "colours.npz", "--sites", 1, "--out", self.folder / "results")
        (self.folder / "picture.png").write_bytes(medicalfiles.png(random.Random(1).randbytes(side * side * 3), side, colour=True))
        subprocess.run(["bash", "-euc", shell], cwd=self.folder, check=True, capture_output=True, env={**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"})
        computed = []
        with contextlib.chdir(self.folder):
            for code in (with_onnx, with_torch):
                names = {}
                exec(code, names)
                computed.append(numpy.asarray(names["probabilities"]))
        numpy.testing.assert_allclose(computed[0], computed[1], rtol=MOST_ERROR)
        self.assertAlmostEqual(float(computed[0].sum()), 1.0, places=5)


if __name__ == "__main__":
    unittest.main()
