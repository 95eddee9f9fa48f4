"""The same job gives the same bytes: twice by the daemons, and again in simulation."""

import json
import math
import pathlib
import struct
import tempfile
import unittest

import npz
from consortium import Consortium, job, population, run
from sitedata import write_sites

SITES = ["east", "north", "south", "west"]


def spec_of(**strategy):
    return job(strategy=strategy or {"name": "fedavg"}, training={"local_epochs": 2, "optimizer": {"name": "sgd", "learning_rate": 0.02, "momentum": 0.9}},
               model={"layers": [{"conv": {"channels": 4, "kernel": 3, "padding": 1}}, "batchnorm", "relu", {"maxpool": 4}, "flatten", {"dropout": 0.2}, {"linear": 2}],
                      "input": [1, 28, 28], "classes": 2},
               federation={"rounds": 5, "sites": SITES, "minimum_sites": 4, "fraction": 0.75})


def parameters(model):
    """Returns a safetensors file's values, without its header, which contains the job's digest."""
    return model[8 + int.from_bytes(model[:8], "little"):]


def tensors(model):
    """Returns the bytes of each tensor of a safetensors file, by name."""
    size = int.from_bytes(model[:8], "little")
    header = json.loads(model[8:8 + size])
    data = model[8 + size:]
    return {name: data[slice(*entry["data_offsets"])] for name, entry in header.items() if name != "__metadata__"}


def write_foreign_weights(file):
    """Writes weights of spec_of()'s model as if somebody had trained it on five classes of coloured images."""
    shapes = {"0.weight": [4, 3, 3, 3], "0.bias": [4], "1.weight": [4], "1.bias": [4], "1.running_mean": [4], "1.running_var": [4],
              "6.weight": [5, 196], "6.bias": [5]}
    header, data = {}, b""
    for number, (name, shape) in enumerate(shapes.items()):
        values = [0.1 * math.sin(number + i) + (1.0 if name.startswith("1.") else 0.0) for i in range(math.prod(shape))]
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + 4 * len(values)]}
        data += struct.pack(f"<{len(values)}f", *values)
    text = json.dumps(header).encode()
    file.write_bytes(struct.pack("<Q", len(text)) + text + data)


def aids(weights):
    """Returns all the keys together that help a job with few images."""
    spec = spec_of()
    return {"model": {**spec["model"], "frozen": ["1"]}, "initial_weights": {"path": str(weights), "replace": ["6"]},
            "training": {**spec["training"], "gradient_clip": 0.5, "learning_rates": {"0": 0.5},
                         "loss": {"name": "cross_entropy", "class_weights": "balanced"},
                         "schedule": {"name": "cosine", "minimum": 0.001, "warmup": 2}}}


class Reproducibility(unittest.TestCase):
    def train(self, consortium, spec):
        """Starts a coordinator and every site, and trains a job to its end. Returns the sites' data and the fetched folder."""
        data = write_sites(consortium.folder, SITES)
        consortium.start_coordinator()
        for site in SITES:
            consortium.start_site(site, {"chest": data[site]})
        consortium.wait_connected()
        job_id = consortium.submit(spec)
        ended = consortium.wait_ended(job_id)
        self.assertEqual(ended["phase"], "finished", ended["detail"])
        return data, consortium.fetch(job_id)

    def run_daemons(self, spec):
        with Consortium(SITES) as consortium:
            _, out = self.train(consortium, spec)
            return (out / "model.safetensors").read_bytes(), json.loads((out / "report.json").read_text())

    def run_simulation(self, spec, workers):
        with Consortium([]) as consortium:
            (consortium.folder / "data").mkdir()
            write_sites(consortium.folder / "data", SITES)
            file = consortium.folder / "job.yaml"
            file.write_text(json.dumps(spec))
            out = consortium.folder / "out"
            run("consilium", "simulate", file, "--site-data", consortium.folder / "data", "--workers", workers, "--out", out)
            return (out / "model.safetensors").read_bytes(), json.loads((out / "report.json").read_text())

    def compare(self, spec):
        first, first_report = self.run_daemons(spec)
        second, _ = self.run_daemons(spec)
        simulated, simulated_report = self.run_simulation(spec, 2)
        alone, _ = self.run_simulation(spec, 1)
        self.assertEqual(first, second, "two runs of the daemons differ")
        self.assertEqual(first, simulated, "daemons and simulation differ")
        self.assertEqual(simulated, alone, "the number of workers changes the model")
        for one, other in zip(first_report["rounds"], simulated_report["rounds"]):
            self.assertEqual(one["cohort"], other["cohort"])
            self.assertEqual(one["test"], other["test"])

    def test_fedavg(self):
        self.compare(spec_of())

    def test_fedprox_population(self):
        self.compare(spec_of(name="fedprox", mu=0.1, weighting="population"))

    def masked_and_plain(self, **strategy):
        """Runs the same job with and without masks, by the daemons. The model and the metrics of the federation must be the same."""
        plain = spec_of(weighting="population", **strategy)
        masked = {**plain, "privacy": {"secure_aggregation": "required"}, "federation": {**plain["federation"], "minimum_sites": 3}}
        model, report = self.run_daemons(plain)
        masked_model, masked_report = self.run_daemons(masked)
        self.assertEqual(parameters(model), parameters(masked_model), "masks change the model")
        for one, other in zip(report["rounds"], masked_report["rounds"], strict=True):
            self.assertEqual(one["cohort"], other["cohort"])
            self.assertEqual({**one["test"], "sites": None}, {**other["test"], "sites": None})
            self.assertEqual(set(one["test"]["sites"]), set(SITES))
            self.assertNotIn("sites", other["test"])

    def test_masked_fedavg(self):
        self.masked_and_plain(name="fedavg")

    def test_masked_fedprox(self):
        self.masked_and_plain(name="fedprox", mu=0.1)

    def whole_groups_and_simulation(self, disturbed=False, sections=None, **strategy):
        """Mode masked: the daemons' model equals that of a simulation with the same roster and the sites' secret bytes."""
        spec = {**spec_of(**strategy), **(sections or {})}
        spec = {**spec, "federation": {"rounds": 5}, "privacy": {"secure_aggregation": "required"}}
        with Consortium(SITES, populations=population()) as consortium:
            data = write_sites(consortium.folder, SITES)
            consortium.start_coordinator()
            for site in SITES:
                consortium.start_site(site, {"chest": data[site]})
            consortium.wait_connected()
            job_id = consortium.submit(spec)
            for number, site in enumerate(SITES[:2] if disturbed else [], 1):
                consortium.wait_phase(job_id, "training", number)
                consortium.daemons[site].kill()
                consortium.start_site(site, {"chest": data[site]})
            ended = consortium.wait_ended(job_id)
            self.assertEqual(ended["phase"], "finished", ended["detail"])
            out, simulated = consortium.fetch(job_id), consortium.simulate(spec)
            self.assertEqual((out / "model.safetensors").read_bytes(), (simulated / "model.safetensors").read_bytes())
            reports = [json.loads((folder / "report.json").read_text()) for folder in (out, simulated)]
            for one, other in zip(*(report["rounds"] for report in reports), strict=True):
                self.assertEqual(one["test"], other["test"])
                self.assertEqual(one["model"], other["model"])
            return (out / "model.safetensors").read_bytes()

    def test_whole_groups_fedavg(self):
        self.whole_groups_and_simulation(name="fedavg")

    def test_whole_groups_fedprox_with_sites_that_die_and_come_back(self):
        self.whole_groups_and_simulation(disturbed=True, name="fedprox", mu=0.1)

    def test_what_makes_few_images_go_further(self):
        with tempfile.TemporaryDirectory() as folder:
            weights = pathlib.Path(folder) / "foreign.safetensors"
            write_foreign_weights(weights)
            foreign = tensors(weights.read_bytes())
            self.compare({**spec_of(), **aids(weights)})
            model = tensors(self.whole_groups_and_simulation(sections=aids(weights), name="fedavg"))
        for name in ("1.weight", "1.bias", "1.running_mean", "1.running_var"):
            self.assertEqual(model[name], foreign[name], f"{name} is frozen")
        self.assertNotEqual(model["0.bias"], foreign["0.bias"])
        self.assertEqual((len(model["0.weight"]), len(model["6.bias"])), (4 * 4 * 9, 4 * 2))

    def test_normalisation_that_stays_at_the_sites(self):
        """FedBN: its values leave no site, survive restarts, and make each site's own model."""
        spec = spec_of()
        sections = {"model": {**spec["model"], "local": ["normalization"]}}
        self.compare({**spec, **sections})
        masked = tensors(self.whole_groups_and_simulation(disturbed=True, sections=sections, name="fedavg"))
        ones, zeros = struct.pack("<4f", 1, 1, 1, 1), bytes(16)
        self.assertEqual([masked[f"1.{name}"] for name in ("weight", "bias", "running_mean", "running_var")], [ones, zeros, zeros, ones])

    def test_a_site_has_the_whole_model_that_it_trained(self):
        spec = spec_of()
        spec["model"]["local"] = ["normalization"]
        with Consortium(SITES) as consortium:
            data, out = self.train(consortium, spec)
            report = json.loads((out / "report.json").read_text())
            found = set()
            for site in SITES:
                own = consortium.folder / f"own-{site}"
                told = run("consilium-client", "own-model", out, "--config", consortium.folder / site / "client.yaml", "--out", own)
                self.assertIn("4 tensors of this site's own", told.stdout)
                job_file = consortium.folder / "job.json"
                job_file.write_text(json.dumps(spec))
                metrics = json.loads(run("consilium-trainer", "evaluate", job_file, "--data", data[site], "--model", own / "model.safetensors", "--split", "test",
                                         "--json").stdout)
                self.assertEqual(metrics["loss"], report["rounds"][-1]["test"]["sites"][site]["loss"])
                found.add((own / "model.safetensors").read_bytes())
                told = run("consilium", "personalize", own, "--data", data[site], "--epochs", 1, "--out", consortium.folder / f"personal-{site}", "--json").stdout
                self.assertAlmostEqual(json.loads(told.splitlines()[-1])["comparison"]["federated"]["loss"], metrics["loss"], places=5)
                run("consilium", "export", own, "--format", "onnx", "--output", consortium.folder / f"{site}.onnx")
            self.assertEqual(len(found), len(SITES))
            refused = run("consilium", "export", out, "--format", "onnx", "--output", consortium.folder / "x.onnx", check=False)
            self.assertIn("lacks the layers that the job leaves to its sites (model.local: normalization)", refused.stderr)
            again = run("consilium-client", "own-model", out, "--config", consortium.folder / "east" / "client.yaml", "--out", own, check=False)
            self.assertIn("already exists", again.stderr)

    def test_random_changes_that_the_job_states_take_the_place_of_the_sites(self):
        """Sites that describe the same changes themselves give the same model. Their other descriptions have no effect."""
        changes = {"flip": ["horizontal"], "rotate": 10, "intensity": 0.1}
        models = {}
        for name, stated, own in (("job", changes, None), ("sites", None, changes), ("both", changes, {"flip": ["vertical"], "noise": 0.5}),
                                  ("none", None, None), ("forbidden", {}, changes)):
            with Consortium([]) as consortium:
                data = consortium.folder / "data"
                data.mkdir()
                for site, path in write_sites(consortium.folder, SITES[:2]).items():
                    description = {"type": "npz", "path": str(path)}
                    (data / f"{site}.yaml").write_text(json.dumps({**description, "augment": own} if own else description))
                spec = spec_of()
                spec["federation"] = {"rounds": 1}
                if stated is not None:
                    spec["data"]["augment"] = stated
                file = consortium.folder / "job.yaml"
                file.write_text(json.dumps(spec))
                run("consilium", "simulate", file, "--site-data", data, "--workers", 2, "--out", consortium.folder / "out")
                models[name] = parameters((consortium.folder / "out" / "model.safetensors").read_bytes())
        self.assertEqual(models["job"], models["sites"])
        self.assertEqual(models["job"], models["both"])
        self.assertEqual(models["none"], models["forbidden"])
        self.assertNotEqual(models["job"], models["none"])

    def test_sites_alone_beside_their_federation(self):
        """evaluation.alone: the summed counts equal those of federations of one site each, and the federation's model doesn't change."""
        spec = spec_of()
        spec["federation"] = {"rounds": 3}
        alone = {**spec, "evaluation": {**spec["evaluation"], "alone": True}}
        self.compare(alone)
        model, report = self.run_simulation(alone, 2)
        self.assertEqual(tensors(model), tensors(self.run_simulation(spec, 2)[0]))
        sums = None
        for site in SITES:
            _, single = self.run_simulation({**spec, "federation": {"rounds": 3, "sites": [site], "minimum_sites": 1}}, 1)
            own = single["rounds"][-1]["test"]["confusion"]
            sums = own if sums is None else [a + b for a, b in zip(sums, own)]
        last = report["rounds"][-1]["test"]
        self.assertEqual(last["alone"]["confusion"], sums)
        self.assertEqual(last["alone"]["examples"], last["examples"])
        self.assertNotEqual(last["alone"]["loss"], last["loss"])
        self.whole_groups_and_simulation(disturbed=True, sections={"evaluation": alone["evaluation"]}, name="fedavg")

    def test_balanced_class_weights_are_those_of_all_sites_labels(self):
        """Two sites with 40 and 20 images of class 0 and 10 of class 1: 80 images, 60 and 20."""
        models = {}
        for weights in ("balanced", [80 / (2 * 60), 80 / (2 * 20)], None):
            with Consortium([]) as consortium:
                data = consortium.folder / "data"
                data.mkdir()
                for site, zeros in (("east", 40), ("north", 20)):
                    images, labels = npz.striped_images(2 * zeros, zeros)
                    kept = [i for i, label in enumerate(labels) if label == 0 or i < 20]
                    train = ([images[i] for i in kept], [labels[i] for i in kept])
                    npz.write(data / f"{site}.npz", npz.dataset(train, train, train))
                spec = spec_of()
                spec["federation"] = {"rounds": 2}
                spec["training"]["loss"] = {"name": "cross_entropy", "class_weights": weights}
                file = consortium.folder / "job.yaml"
                file.write_text(json.dumps(spec))
                run("consilium", "simulate", file, "--site-data", data, "--workers", 2, "--out", consortium.folder / "out")
                models[str(weights)] = (parameters((consortium.folder / "out" / "model.safetensors").read_bytes()),
                                        json.loads((consortium.folder / "out" / "report.json").read_text())["rounds"][-1]["test"]["loss"])
        balanced, given, plain = models.values()
        self.assertEqual(balanced, given)
        self.assertNotEqual(balanced[0], plain[0])
        self.assertNotEqual(balanced[1], plain[1])

    def test_the_sites_own_bytes_shape_the_model(self):
        with Consortium(SITES, populations=population()) as consortium:
            for site, path in write_sites(consortium.folder, SITES).items():
                consortium.configure_site(site, {"chest": path})
            spec = {**spec_of(), "federation": {"rounds": 1}, "privacy": {"secure_aggregation": "required"}}
            models = [parameters((consortium.simulate(spec) / "model.safetensors").read_bytes()) for _ in range(2)]
            (consortium.secrets / "west.secret").write_bytes(bytes(32))
            models.append(parameters((consortium.simulate(spec) / "model.safetensors").read_bytes()))
            self.assertEqual(models[0], models[1])
            self.assertNotEqual(models[0], models[2])

    def test_a_pool_that_a_file_holds_is_compared_with_as_one_that_is_made(self):
        with Consortium([]) as consortium:
            (consortium.folder / "data").mkdir()
            write_sites(consortium.folder / "data", SITES)
            file = consortium.folder / "job.yaml"
            file.write_text(json.dumps(spec_of()))
            arguments = ["consilium", "simulate", file, "--site-data", consortium.folder / "data", "--compare", "pooled,federated", "--out"]
            run(*arguments, consortium.folder / "made")
            run(*arguments, consortium.folder / "given", "--pool", consortium.folder / "made" / "pooled.npz")
            made, given = (json.loads((consortium.folder / out / "report.json").read_text())["comparison"] for out in ("made", "given"))
            self.assertEqual(made, given)
            self.assertNotEqual(made["pooled"]["loss"], made["federated"]["loss"])
            run(*arguments, consortium.folder / "one", "--pool", consortium.folder / "data" / "east.npz")
            one = json.loads((consortium.folder / "one" / "report.json").read_text())["comparison"]
            self.assertNotEqual(one["pooled"]["loss"], made["pooled"]["loss"])

    def test_another_seed_gives_another_model(self):
        one, _ = self.run_simulation(spec_of(), 2)
        other, _ = self.run_simulation({**spec_of(), "seed": 8}, 2)
        self.assertNotEqual(one, other)


if __name__ == "__main__":
    unittest.main()
