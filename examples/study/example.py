"""An example's folder: its job, and how its data set is described."""

import copy
import hashlib
import json
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
        self.atlas = None  # the file of the job's atlas (study.atlas)

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
        """How the images are described that the first weights are trained on; None where the model begins anew."""
        file = self.folder / "pretrain-dataset.yaml"
        return read(file) if file.exists() else None

    def describe(self, site, file):
        """Writes a site's entry of client.yaml into `file` and returns it."""
        described = entry(self.template, site.folder)
        written_entry(described, file)
        return described


def read(file):
    return yaml.safe_load(file.read_text())


def changed(settings, change):
    """A copy of nested settings with the values at dotted keys replaced; None takes a key away."""
    made = copy.deepcopy(settings)
    for key, value in change.items():
        *path, last = key.split(".")
        section = made
        for name in path:
            section = section.setdefault(name, {})
        if value is None:
            section.pop(last, None)
        else:
            section[last] = value
    return made


def digest(*parts):
    """A digest of settings, and of files and folders (names and bytes)."""
    sha = hashlib.sha256()
    for part in parts:
        if not isinstance(part, pathlib.Path):
            sha.update(json.dumps(part, sort_keys=True).encode() + b"\0")
            continue
        for file in [part] if part.is_file() else sorted(path for path in part.rglob("*") if path.is_file()):
            sha.update(str(file.relative_to(part)).encode() + b"\0" + hashlib.sha256(file.read_bytes()).digest())
    return sha.hexdigest()[:32]
