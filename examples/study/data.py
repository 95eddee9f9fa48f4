"""The data of each example: synthetic images, or a public set that the user has."""

import json

from consortium import run
from phantoms.sites import write_sites
from study import public_sets
from study.site_folder import SITES

PUBLIC = {  # example: (set, what `dealt` takes, what to pretrain on)
    "brain-mr": (public_sets.hippocampus, {"train": 6, "test": 0.6}),
    "cardiac-mr": (public_sets.sunnybrook, {}),
    "polyps": (public_sets.kvasir, {"train": 16, "test": 0.6}),
    "radiographs": (public_sets.fractures, {"train": 30, "test": 0.5})}
PHANTOMS = {"brain-mr": (6, 2, 8), "cardiac-mr": (3, 1, 6), "polyps": (6, 2, 8), "radiographs": (12, 2, 16)}  # patients in train, val, test


def make(example, source, folder, patients=None):
    """Writes the sites of an example below folder/images; `source` is "phantom" or the folder with the public sets. Returns {site: SiteFolder}."""
    if source == "phantom":
        return write_sites(folder / "images", example.name, patients or PHANTOMS[example.name], SITES[:3] if example.name == "cardiac-mr" else SITES)
    read, shares = PUBLIC[example.name]
    return read(source, folder / "images", **shares)
