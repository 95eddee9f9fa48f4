"""The data of each example: synthetic images, or a public set that the user has."""

import dataclasses
from typing import Callable

from consortium import run
from phantoms.sites import write_sites
from study import public_sets
from study.example import digest
from study.site_folder import SITES, entry, pooled, written_entry


@dataclasses.dataclass(frozen=True)
class Source:
    """Where an example's images come from."""

    patients: tuple[int, int, int]  # of each site of phantoms, in train, val and test
    sites: int                      # of phantoms
    read: Callable                  # makes the sites of the public set
    shares: dict                    # what it takes
    needs: list[str]                # what must be in the folder of public sets


SOURCES = {
    "brain-mr": Source((6, 0, 10), 4, public_sets.hippocampus, {"train": 6, "test": 0.6}, ["msd-hippocampus"]),
    "cardiac-mr": Source((3, 0, 6), 3, public_sets.sunnybrook, {}, ["sunnybrook"]),
    "polyps": Source((6, 0, 10), 4, public_sets.kvasir, {"train": 16, "test": 0.6}, ["kvasir-seg"]),
    "radiographs": Source((20, 0, 60), 4, public_sets.pneumonia, {"train": 20}, ["medmnist/pneumoniamnist.npz", "fracatlas"])}


def missing(name, folder):
    """What a folder of public sets lacks for an example."""
    return [needed for needed in SOURCES[name].needs if not (folder / needed).exists()]


def make(example, data, folder, patients=None):
    """Writes the sites of an example below folder/images; `data` is "phantom" or the folder with the public sets. Returns {site: SiteFolder}."""
    source = SOURCES[example.name]
    if data == "phantom":
        return write_sites(folder / "images", example.name, patients or source.patients, SITES[:source.sites])
    return source.read(data, folder / "images", **source.shares)


def pretrain(example, data, folder, epochs=None):
    """Trains the example's first weights on public images, or on phantoms of other scanners, and returns their file; None where it has none.

    Weights that were trained before from the same job and images are taken again.
    """
    if not example.pretraining:
        return None
    if data == "phantom":
        public = pooled(list(write_sites(folder / "public/parts", "limbs", (60, 0, 0), SITES, seed=99).values()), folder / "public/all")
    else:
        public = public_sets.limbs(data, folder / "public")
    job = example.folder / "pretrain.yaml"
    weights = folder / f"pretrained-{digest(job, example.pretraining, public.folder, epochs)}.safetensors"
    if not weights.exists():
        described = written_entry(entry(example.pretraining, public.folder), folder / "public/limbs.yaml")
        run("consilium-trainer", "train", job, "--data", described, "--out", weights, *(["--epochs", epochs] if epochs else []), timeout=3600)
    return weights
