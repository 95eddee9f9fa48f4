"""An example's folder: its job, and how its data set is described."""

import pathlib

import yaml

from study.site_folder import entry, written_entry

EXAMPLES = pathlib.Path(__file__).resolve().parent.parent


class Example:
    """examples/NAME: job.yaml, dataset.yaml (the entry of a client.yaml without its path), and pretrain.yaml where there is one."""

    def __init__(self, name):
        self.name, self.folder = name, EXAMPLES / name
        self.template = read(self.folder / "dataset.yaml")
        self.job = read(self.folder / "job.yaml")

    @property
    def dataset(self):
        return self.job["data"]["dataset"]

    @property
    def task(self):
        task = self.job.get("task", "classification")
        return task if isinstance(task, str) else task["name"]

    @property
    def metric(self):
        """The metric that the example is judged by."""
        return {"segmentation": "dice", "detection": "map_50"}.get(self.task, "auc")

    @property
    def pretraining(self):
        """How the images are described that the first weights are trained on."""
        return read(self.folder / "pretrain-dataset.yaml")

    def describe(self, site, file):
        """Writes a site's entry of client.yaml into `file` and returns it."""
        described = entry(self.template, site.folder)
        written_entry(described, file)
        return described


def read(file):
    return yaml.safe_load(file.read_text())
