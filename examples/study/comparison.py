"""Compares training alone, the sites' ensemble, the federation and training on everybody's images in one place."""

import json

from consortium import POLICY, Consortium, population, run
from study.site_folder import pooled

ARMS = ("alone", "ensemble", "federated", "pooled")
LONG = 6 * 3600  # seconds


class Comparison:
    """The trainings of one example's job over its sites. Use as a context manager; what it starts ends with it.

    `folder` is where study.data.make() wrote the sites. With `daemons` the federation is trained by real daemons, and by the simulator
    too, which must give the same bytes; without, by the simulator alone.
    """

    def __init__(self, example, sites, folder, daemons):
        self.example, self.sites, self.folder, self.daemons = example, sites, folder, daemons
        largest = max(site.trained_on() for site in sites.values())
        members = population(largest)["chest"] | {"datasets": [example.dataset]}
        self.consortium = Consortium(list(sites), populations={example.dataset: members})
        self.described = {name: example.describe(site, folder / f"{name}.yaml") for name, site in sites.items()}

    def __enter__(self):
        self.consortium.__enter__()
        start = self.consortium.start_site if self.daemons else self.consortium.configure_site
        if self.daemons:
            self.consortium.start_coordinator()
        policy = POLICY.replace("[chest]", f"[{self.example.dataset}]").replace("[classification]", f"[{self.example.task}]")
        atlas = self.example.atlas
        atlases = {"atlases": {self.example.job["data"]["atlas"]["name"]: str(atlas)}} if atlas else {}
        for name, described in self.described.items():
            start(name, {self.example.dataset: described}, policy=policy, **atlases)
        if self.daemons:
            self.consortium.wait_connected()
        return self

    def __exit__(self, *error):
        self.consortium.__exit__(*error)

    def run(self, job, out, arms=ARMS):
        """Trains the job in all ways, leaves reports below `out`, and returns {arm: {metric: value}} of everybody's test images."""
        trained = self.federate(job, out / "federation") if self.daemons else None
        pool = ["--pool", self.pool()] if "pooled" in arms else []
        if self.example.task == "detection":
            arms = [arm for arm in arms if arm != "ensemble"]
        results = simulated(job, out / "comparison", arms, *self.data, *pool)
        if trained is not None and trained != (out / "comparison/model.safetensors").read_bytes():
            raise RuntimeError(f"{job['name']}: the simulated model isn't the one that the daemons trained; compare {out}/federation and {out}/comparison")
        return results

    @property
    def data(self):
        """The options of `simulate` for the sites' images, the keys of the daemons and the atlas."""
        atlas = ["--atlas", self.example.atlas] if self.example.atlas else []
        return "--site-data", self.folder, "--roster", self.consortium.roster, "--site-secrets", self.consortium.secrets, *atlas

    def pool(self):
        """Describes everybody's images as one data set; returns the file."""
        file = self.folder / "pooled/everybody.yaml"
        self.example.describe(pooled(list(self.sites.values()), file.parent / "images"), file)
        return file

    def untrained(self, job, out):
        """Returns the metrics of the job's first model: those after a round whose learning rate changes nothing."""
        simulated(still(job), out, [], *self.data)
        return json.loads((out / "report.json").read_text())["rounds"][0]["test"]

    def federate(self, job, out):
        """Trains the job through the daemons; returns the bytes of the model's file."""
        job_id = self.consortium.submit(job)
        ended = self.consortium.wait_ended(job_id, seconds=LONG)
        if ended["phase"] != "finished":
            raise RuntimeError(f"{job_id}: {ended['detail']}")
        self.consortium.command("fetch", job_id, "--out", out)
        return (out / "model.safetensors").read_bytes()


def simulated(job, out, arms, *options):
    """Simulates a job with options that name the data, leaves its report in `out`, and returns the metrics of each arm."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "job.yaml").write_text(json.dumps(job, indent=2))
    compare = ["--compare", ",".join(arms)] if arms else []
    run("consilium", "simulate", out / "job.yaml", *compare, "--out", out, *options, timeout=LONG)
    comparison = json.loads((out / "report.json").read_text())["comparison"]
    return {arm: comparison[arm] for arm in arms}


def still(job):
    """A job of one round that leaves the model as it begins, and evaluates it."""
    return {**job, "federation": {**job["federation"], "rounds": 1}, "evaluation": {"every": 1, "split": "test"},
            "training": {"local_epochs": 1, "batch_size": job["training"]["batch_size"], "optimizer": {"name": "sgd", "learning_rate": 1e-30}}}
