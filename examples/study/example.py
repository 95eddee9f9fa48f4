"""An example's folder: its job, and how its data set is described."""

import json
import pathlib

import yaml

from study.site_folder import entry

EXAMPLES = pathlib.Path(__file__).resolve().parent.parent


class Example:
    """examples/NAME: job.yaml, dataset.yaml (the entry of a client.yaml without its path), and pretrain.yaml where there is one."""

    def __init__(self, name):
        self.name, self.folder = name, EXAMPLES / name
        self.template = yaml.safe_load((self.folder / "dataset.yaml").read_text())
        self.job = yaml.safe_load((self.folder / "job.yaml").read_text())

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

    def prepared(self, folder, source):
        """The job, as its file has it."""
        return json.loads(json.dumps(self.job))

    def describe(self, site, file):
        """Writes a site's entry of client.yaml into `file` and returns it."""
        described = entry(self.template, site.folder)
        file.write_text(json.dumps(described, indent=2) + "\n")
        return described
